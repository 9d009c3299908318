from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fed_credit.config.scorecard import NewtonSpec
from fed_credit.config.spec import PreprocessingSpec
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.features.spec import feature_specs
from fed_credit.models.design import Design, exponent
from fed_credit.models.diagnosis import Finding
from fed_credit.models.newton import fit_logistic


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_a_preprocessors_design_fits_as_scikit_learn_does(dataset, clip):
    features = feature_specs(dataset.fields, dataset.schema)
    spec = PreprocessingSpec(clip, 0.02, True)
    fitted = fit_pooled(features, dataset.features, dataset.y, spec)
    matrix = fitted.transform(dataset.features)
    design = Design.of(fitted)
    left_out = {name for k, name in enumerate(fitted.columns) if k not in design.kept}
    assert left_out == {"sector = farming", "branch = bucket 0"} & left_out and len(left_out) == 2
    x = design.take(matrix)
    assert (np.abs(x).max(axis=0) <= np.ldexp(1.0, design.exponents)).all()

    def ask(question):
        layout = question.layout()
        return layout.decode(layout.encode(question.answer(x, dataset.y)))

    found = fit_logistic(
        ask,
        design.names,
        design.exponents,
        n=len(x),
        bads=int(dataset.y.sum()),
        spec=NewtonSpec(1.0, 1e-6, 25, 0.95),
    )
    assert found.diagnosis.finding is Finding.CONVERGED
    known = LogisticRegression(solver="newton-cholesky", tol=1e-12, C=1.0, max_iter=100)
    known.fit(x.astype(np.float64), dataset.y)
    np.testing.assert_allclose(found.coefficients[1:], known.coef_[0], rtol=0, atol=1e-6)
    full = design.coefficients(found.coefficients[1:], matrix.shape[1])
    np.testing.assert_allclose(
        matrix @ full, x.astype(np.float64) @ found.coefficients[1:], atol=1e-5
    )


def test_exponents_leave_room_for_rounding_to_single_precision():
    assert [exponent(v) for v in (0.0, 0.4, 0.999, 1.0, 3.0, 4.0)] == [0, -1, 0, 1, 2, 3]
    for value in (0.1, 7.9999999, 1e6):
        assert float(np.float32(value)) <= 2.0 ** exponent(value)
