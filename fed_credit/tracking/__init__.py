"""Who else gets a run's figures: MLflow or TensorBoard; never in the way of training."""
