"""Configuration: what composes, what is refused, and in which words."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import fed_credit.models
import strategies.build
from fed_credit.config import names
from fed_credit.config.convert import known_keys
from fed_credit.config.load import compose, from_yaml, resolved_yaml, to_spec
from fed_credit.config.location import conf_dir, deploy_dir, groups, schema_dir
from fed_credit.config.spec import (
    PartitionKind,
    RuntimeKind,
    SimulationSpec,
    SourceKind,
    SplitKind,
    Weighting,
)
from fed_credit.data.schema import KnownAt
from fed_credit.errors import ConfigurationError
from fed_credit.training.task import Task

# What an option of a group cannot do without.
NEEDED = {
    "data=sba": ["data.path=loans.csv"],
    "data=table": ["data.path=loans.csv", "data.schema=mine.yaml"],
    "experiment=sba_baseline": ["data.path=loans.csv"],
    "experiment=uci_default_credit": ["data.path=clients.csv"],
}
OPTIONS = [f"{group}={option}" for group, options in groups().items() for option in options]


def refusal(*overrides: str, config_dir: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        compose(list(overrides), config_dir=config_dir)
    message = str(caught.value)
    assert "\n" not in message, "a message is one sentence on one line"
    return message


def assert_typed(value: Any, hint: Any) -> None:
    """Every field holds exactly the type it declares, all the way down."""
    if get_origin(hint) is types.UnionType:
        inner = next(item for item in get_args(hint) if item is not type(None))
        if value is not None:
            assert_typed(value, inner)
    elif get_origin(hint) is list:
        for item in value:
            assert_typed(item, get_args(hint)[0])
    elif get_origin(hint) is dict:
        for name, item in value.items():
            assert_typed(name, get_args(hint)[0])
            assert_typed(item, get_args(hint)[1])
    elif dataclasses.is_dataclass(hint):
        assert type(value) is hint
        for name, inner in get_type_hints(hint).items():
            assert_typed(getattr(value, name), inner)
    else:
        assert type(value) is hint


def test_defaults_come_from_the_files_alone() -> None:
    spec = compose([])
    root = OmegaConf.load(conf_dir() / "config.yaml")
    synthetic = OmegaConf.load(conf_dir() / "data" / "synthetic.yaml")
    assert spec.seed == root.seed
    assert spec.data.generator.num_loans == synthetic.generator.num_loans
    assert spec.data.source is SourceKind.SYNTHETIC
    assert spec.resume is None
    with pytest.raises(TypeError):
        SimulationSpec()  # type: ignore[call-arg]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_packaged_option_composes_to_the_declared_types(option: str) -> None:
    assert_typed(compose([option, *NEEDED.get(option, [])]), SimulationSpec)


def test_overrides_reach_every_kind_of_field() -> None:
    spec = compose(
        [
            "seed=11",
            "progress=false",
            "federation.num_institutions=5",
            "model.learning_rate=1",
            "model.hidden=[8,4]",
            "data.exclude_fields=[sector,2024]",
            "data.decision_point=booking",
            "data.partition.kind=dirichlet",
            "data.split.kind=random",
            "data.target.window_months=null",
            "data.target.as_of=2024-06-30",
            "strategy.weighting=equal",
            "runtime=simulation",
            "run_dir=some folder/run",
            "model={dropout: 0.5}",
        ]
    )
    assert (spec.seed, spec.progress, spec.run_dir) == (11, False, "some folder/run")
    assert spec.federation.num_institutions == 5
    assert (spec.model.learning_rate, spec.model.dropout) == (1.0, 0.5)
    assert spec.model.hidden == [8, 4]
    assert spec.data.exclude_fields == ["sector", "2024"]
    assert spec.data.decision_point is KnownAt.BOOKING
    assert spec.data.partition.kind is PartitionKind.DIRICHLET
    assert spec.data.split.kind is SplitKind.RANDOM
    assert (spec.data.target.window_months, spec.data.target.as_of) == (None, "2024-06-30")
    assert spec.strategy.weighting is Weighting.EQUAL
    assert spec.runtime.kind is RuntimeKind.SIMULATION
    assert_typed(spec, SimulationSpec)


def test_experiments_set_several_groups_and_the_command_line_wins() -> None:
    spec = compose(["experiment=sba_baseline", "data.path=x.csv", "evaluation.repeats=2"])
    assert spec.data.source is SourceKind.SBA
    assert spec.model == compose(["model=mlp_medium"]).model
    assert spec.evaluation.repeats == 2
    quick = compose(["experiment=quick"])
    assert quick.data.generator.num_loans < compose([]).data.generator.num_loans
    assert quick.data.split == compose([]).data.split


def test_a_further_folder_adds_options(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "wide.yaml").write_text("defaults: [mlp_small, _self_]\nhidden: [512]\n")
    spec = compose(["model=wide"], config_dir=tmp_path)
    assert spec.model.hidden == [512]
    assert spec.model.learning_rate == compose(["model=mlp_small"]).model.learning_rate


def test_packaged_schemas_are_where_they_are_looked_for() -> None:
    for source in ("synthetic", "sba"):
        assert (schema_dir() / f"{source}.yaml").is_file()
    assert schema_dir().name not in groups()


def test_what_deployments_start_from_is_no_group_of_a_run() -> None:
    assert (deploy_dir() / "bank.yaml").is_file()
    assert deploy_dir().name not in groups()
    assert "no key 'deploy'" in refusal("+deploy=bank")


def test_names_are_those_that_are_implemented() -> None:
    networks = set(fed_credit.models.FAMILIES)
    assert set(names.FAMILIES) == networks | set(names.EXACT_FAMILIES)
    assert set(names.STRATEGIES) == set(strategies.build.STRATEGIES)
    assert set(names.TASKS) == set(Task)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_saved_run_reads_back_equal(option: str, tmp_path: Path) -> None:
    spec = compose([option, *NEEDED.get(option, [])])
    (tmp_path / "config.yaml").write_text(resolved_yaml(spec), encoding="utf-8")
    assert from_yaml(tmp_path / "config.yaml") == spec
    assert "${" not in resolved_yaml(spec)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(max_examples=25, deadline=None)
@given(
    run_dir=texts,
    fields=st.lists(texts),
    learning_rate=st.floats(min_value=1e-300, max_value=1e300),
    hidden=st.lists(st.integers(1, 10**6)),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_values_survive_a_run_folder(
    tmp_path_factory: pytest.TempPathFactory,
    run_dir: str,
    fields: list[str],
    learning_rate: float,
    hidden: list[int],
    seed: int,
) -> None:
    base = compose([])
    spec = dataclasses.replace(
        base,
        run_dir=run_dir,
        seed=seed,
        data=dataclasses.replace(base.data, exclude_fields=fields),
        model=dataclasses.replace(base.model, learning_rate=learning_rate, hidden=hidden),
    )
    path = tmp_path_factory.mktemp("run") / "config.yaml"
    path.write_text(resolved_yaml(spec), encoding="utf-8")
    assert from_yaml(path) == spec


def test_to_spec_leaves_hydras_own_node_aside() -> None:
    values = OmegaConf.create(resolved_yaml(compose([])))
    values.hydra = {"job": {"num": 3}}
    assert dataclasses.asdict(to_spec(values)) == dataclasses.asdict(
        dataclasses.replace(compose([]), run_dir=values.run_dir)
    )


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        # Keys and groups that do not exist.
        ("fedration.num_rounds=3", "Did you mean 'federation.num_rounds'?"),
        ("num_rounds=3", "Did you mean 'federation.num_rounds'?"),
        ("federation.num_round=3", "Did you mean 'num_rounds'?"),
        ("model.foo=1", "The keys of model are family, hidden"),
        ("model.hidden.foo=1", "no key 'model.hidden.foo'"),
        ("federation.num_rounds.x=1", "no key 'federation.num_rounds.x'"),
        ("+a.b=1", "no key 'a.b'"),
        ("model={a: 1}", "no key 'model.a'"),
        ("modle=logreg", "Did you mean 'model'?"),
        ("data@other=sba", "no key"),
        ("hydra.foo=1", "no key 'hydra.foo'"),
        # Options that do not exist.
        ("model=mlp_smal", "Did you mean 'mlp_small'?"),
        ("experiment=quik", "Did you mean 'quick'?"),
        ("model=3", "model=3 does not exist: choose one of gbdt"),
        ("model=null", "model=null does not exist"),
        ("federation=3", "the only option is default"),
        ("hydra/launcher=slurm", "hydra/launcher=slurm does not exist"),
        # What is no override.
        ("federation.num_rounds", "write it as KEY=VALUE"),
        ("=3", "cannot be read"),
        ("federation.num_rounds=[1", "cannot be read"),
        ("data.path=a=b.csv", """'data.path="a=b.csv"'"""),
        ("~model", "a run needs every key"),
        ("~data.path", "a run needs every key"),
        ("+model=logreg", "write model=VALUE without +"),
        ("+seed=3", "write seed=VALUE without +"),
        ("model=logreg,mlp_small", "add -m"),
        ("seed=range(1,3)", "add -m"),
        # Interpolations.
        ("run_dir=${nowhere}", "run_dir refers to what does not exist"),
        ("run_dir=${run_dir}", "run_dir refers to"),
        # Types.
        ("federation.num_rounds=abc", "federation.num_rounds=abc cannot be used: it must be a who"),
        ("federation.num_rounds=2.5", "a whole number"),
        ("federation.num_rounds=true", "a whole number"),
        ("federation.num_rounds=null", "federation.num_rounds=null"),
        ("seed=", "a whole number"),
        ("progress=maybe", "true or false"),
        ("model.dropout=high", "it must be a number"),
        ("model.hidden=64", "as in [64,32]"),
        ("model.hidden=[a]", "as in [64,32]"),
        ("data.features={a: 1}", "a value of another type"),
        ("data.features=3", "as in [a,b]"),
        ("hydra.job.num=abc", "a value of another type"),
        ("data.generator=3", "such as data.generator.num_loans"),
        ("data.split.kind=randm", "Did you mean 'random'?"),
        ("runtime.kind=ray", "choose one of local, simulation"),
        ("data.decision_point=aplication", "Did you mean 'application'?"),
        # Values that make no sense.
        ("seed=-1", "seed=-1 cannot be used"),
        ("run_dir=", "run_dir is empty"),
        ("federation.num_rounds=-1", "it must be at least 1"),
        ("federation.num_rounds=0", "it must be at least 1"),
        ("federation.num_institutions=0", "it must be at least 1"),
        ("federation.local_epochs=0", "it must be at least 1"),
        ("federation.quorum=0", "above 0 and at most 1"),
        ("federation.quorum=1.5", "above 0 and at most 1"),
        ("federation.round_timeout_s=0", "above 0"),
        ("model.learning_rate=0", "above 0"),
        ("model.learning_rate=nan", "a finite number"),
        ("model.weight_decay=inf", "a finite number"),
        ("model.weight_decay=-0.1", "0 or more"),
        ("model.dropout=1", "from 0 to below 1"),
        ("model.batch_size=0", "at least 1"),
        ("model.hidden=[64,0]", "at least 1 unit"),
        ("model.family=loan_rsk", "Did you mean 'loan_risk'?"),
        ("strategy.name=fedavgg", "Did you mean 'fedavg'?"),
        ("privacy.channel=plane", "Did you mean 'plain'?"),
        ("evaluation.baselines=[pool]", "Did you mean 'pooled'?"),
        ("evaluation.baselines=[local,local]", "name each baseline once"),
        ("evaluation.repeats=0", "at least 1"),
        ("evaluation.confidence=95", "above 0 and below 1"),
        ("evaluation.histogram_bins=1", "at least 2"),
        ("evaluation.profit.loss_bad=-5", "0 or more"),
        ("preprocessing.clip_quantile=0.5", "from 0 to below 0.5"),
        ("preprocessing.rare_share=1", "from 0 to below 1"),
        ("data.approved_from=1990", "YYYY-MM-DD"),
        ("data.approved_from=20240131", "YYYY-MM-DD"),
        ("data.target.as_of=2024-02-30", "YYYY-MM-DD"),
        ("data.target.window_months=0", "at least 1"),
        ("data.decision_point=outcome", "predicts nothing"),
        ("data.path=loans.csv", "add data=table or data=sba"),
        ("data=sba", "data=sba needs data.path=FILE, the SBAnational CSV."),
        ("data=table", "data=table needs data.path=FILE"),
        ("data.schema=''", "data.schema=SCHEMA"),
        ("data.min_loans=0", "at least 1"),
        ("data.max_rejected_share=1.1", "from 0 to 1"),
        ("data.split.test_share=1.2", "above 0 and below 1"),
        ("data.split.validation_share=0", "above 0 and below 1"),
        ("data.partition.num_parts=0", "at least 1"),
        ("data.partition.alpha=0", "above 0"),
        ("runtime.torch_threads=0", "at least 1"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(override: str, wanted: str) -> None:
    assert wanted in refusal(override)


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (["data=table", "data.path=x.csv"], "data=table needs data.schema=SCHEMA"),
        (
            ["data.exclude_fields=[sector]", "data.features=[sector]"],
            "data.exclude_fields leaves 'sector' out, but data.features asks for it",
        ),
        (
            ["data.split.kind=random", "data.split.test_from=2020-01-01"],
            "add data.split.kind=out_of_time",
        ),
        (
            [
                "data.split.kind=random",
                "data.split.test_share=0.6",
                "data.split.validation_share=0.4",
            ],
            "their sum must be below 1",
        ),
        (
            ["runtime=simulation", "runtime.num_cpus=8", "runtime.max_cpus=2"],
            "all runtime.max_cpus=2",
        ),
    ],
)
def test_values_that_contradict_each_other(overrides: list[str], wanted: str) -> None:
    assert wanted in refusal(*overrides)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: [1,\nb: 2", "line 3, is not valid YAML"),
        ("- a\n- b\n", "experiment/mine.yaml cannot be merged"),
        ("fedration: {num_rounds: 3}\n", "Did you mean 'federation'?"),
        ("federation: {num_round: 3}\n", "Did you mean 'num_rounds'?"),
        ("defaults:\n  - override /model: foo\n", "model=foo does not exist"),
        ("defaults:\n  - override /modle: logreg\n", "experiment/mine.yaml overrides the group"),
        ("model: 3\n", "model=3 cannot be used: it is a section"),
        ("seed: ???\n", None),
        (b"\xff\xfe\x00abc", "not UTF-8"),
    ],
)
def test_files_that_cannot_be_used(text: str | bytes, wanted: str | None, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    path = tmp_path / "experiment" / "mine.yaml"
    path.write_bytes(b"# @package _global_\n" + text.encode() if isinstance(text, str) else text)
    if wanted is None:  # a value left open in a later file keeps the earlier one
        assert compose(["experiment=mine"], config_dir=tmp_path).seed == compose([]).seed
    else:
        assert wanted in refusal("experiment=mine", config_dir=tmp_path)


def test_an_incomplete_option_names_the_missing_key(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "half.yaml").write_text("family: loan_risk\n")
    assert refusal("model=half", config_dir=tmp_path).startswith("model.hidden has no value")


def test_a_folder_that_is_none() -> None:
    assert "is not a folder" in refusal(config_dir=Path("nowhere"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: [1,\n", "is not valid YAML at line"),
        ("just words", "no keys and values"),
        ("seed: 3\n", "run_dir has no value"),
        ("sed: 3\n", "no key 'sed'. Did you mean 'seed'?"),
    ],
)
def test_a_saved_run_that_cannot_be_used(text: str, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"config\.yaml") as caught:
        from_yaml(path)
    assert wanted in str(caught.value)


def test_a_saved_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        from_yaml(tmp_path / "config.yaml")


def test_a_saved_run_is_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    saved = compose(["federation.num_rounds=7"])
    path.write_text(resolved_yaml(saved).replace("num_rounds: 7", "num_rounds: 0"))
    with pytest.raises(ConfigurationError, match=r"federation\.num_rounds=0 cannot be used"):
        from_yaml(path)


def test_known_keys_are_those_of_a_saved_run() -> None:
    def walk(node: Any, within: str) -> set[str]:
        found: set[str] = set()
        for key, value in node.items():
            found.add(within + key)
            if isinstance(value, dict):
                found |= walk(value, f"{within}{key}.")
        return found

    models = ("mlp_small", "logreg_exact", "scorecard", "gbdt", "tree")
    found = set()
    for model in models:
        saved = resolved_yaml(compose([f"model={model}"]))
        found |= walk(OmegaConf.to_container(OmegaConf.create(saved)), "")
    # What names of the user's own stand for is no key of the configuration.
    own = ("model.rating.grades.", "decision.grades.")
    found = {key for key in found if not key.startswith(own)}
    assert found == set(known_keys())


def test_a_bank_s_source_is_completed_from_what_holds_for_all(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(
        """
defaults: [table, _self_]
schema: mine.yaml
csv: {delimiter: semicolon}
mapping: {columns: {金额: amount}, units: {amount: 10000}}
institutions:
  - {name: A, source: {path: a.csv}}
  - name: B
    source: {url: "sqlite:///b.db", query: SELECT 1, csv: {decimal: ","}}
    mapping: {units: {amount: 1, age: 12}, values: {sector: {1: farm}}}
""",
        encoding="utf-8",
    )
    spec = compose(["data=mine"], config_dir=tmp_path)
    first, second = spec.data.institutions
    assert_typed(spec, SimulationSpec)
    assert (first.source.path, first.source.url, first.source.query) == ("a.csv", None, None)
    assert first.source.csv == spec.data.csv
    assert first.mapping == spec.data.mapping
    assert (second.source.csv.delimiter, second.source.csv.decimal) == ("semicolon", ",")
    assert second.mapping.columns == {"金额": "amount"}
    assert second.mapping.units == {"amount": 1.0, "age": 12.0}
    assert second.mapping.values == {"sector": {"1": "farm"}}
    (tmp_path / "config.yaml").write_text(resolved_yaml(spec), encoding="utf-8")
    assert from_yaml(tmp_path / "config.yaml") == spec


def test_names_of_ones_own_take_a_plus() -> None:
    said = r"write it with a plus, \+model\.trees\.monotone="
    with pytest.raises(ConfigurationError, match=said):
        compose(["model=gbdt", "model.trees.monotone={firm_age:-1}"])
    spec = compose(["model=gbdt", "+model.trees.monotone={firm_age:-1}"])
    assert spec.model.trees is not None and spec.model.trees.monotone == {"firm_age": -1}
