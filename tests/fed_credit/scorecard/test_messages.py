from __future__ import annotations

import json

import numpy as np
import pytest

from fed_credit.errors import DataError, ReleaseError
from fed_credit.features.cuts import DetailsQuestion, HistogramQuestion, PartsQuestion
from fed_credit.features.spec import feature_specs
from fed_credit.models.likelihood import LikelihoodQuestion
from fed_credit.models.moments import CrossProductsQuestion
from fed_credit.scorecard.calibration import ScoreCountsQuestion
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.drift import DriftQuestion
from fed_credit.scorecard.fit import WoeDesign, fit_scorecard
from fed_credit.scorecard.messages import read_message, write_message


def test_a_scorecard_over_messages_is_the_same_scorecard(synthetic, scorecard_spec, divide, fitted):
    """Every question and every design goes through text on its way to the banks."""

    class ByPost:
        def __init__(self):
            self.banks, self.kinds = divide(synthetic, 3), []

        def post(self, message):
            self.kinds.append(type(message))
            found = read_message(write_message(message))
            assert found == message
            return found

        def ask(self, question):
            return self.banks.ask(self.post(question))

        def ask_validation(self, question):
            return self.banks.ask_validation(self.post(question))

        def ask_matrix(self, design, question):
            return self.banks.ask_matrix(self.post(design), self.post(question))

    post = ByPost()
    features = feature_specs(synthetic.fields, synthetic.schema)
    found = fit_scorecard(features, scorecard_spec, post)
    assert found.rule.json_text == fitted.rule.json_text
    asked = [kind for kind in post.kinds if kind is not WoeDesign]
    assert asked[:5] == [
        *(HistogramQuestion, PartsQuestion, DetailsQuestion, ClassCountsQuestion),
        CrossProductsQuestion,
    ]
    assert asked[5:-1] == [LikelihoodQuestion] * found.fit.questions
    assert asked[-1] is ScoreCountsQuestion
    assert len(asked) <= 14
    drift = DriftQuestion(found.binnings)
    assert read_message(write_message(drift)) == drift


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"kind": "LikelihoodQuestio"}',
        '{"kind": "LikelihoodQuestion"}',
        '{"kind": "PartsQuestion", "bins": {"a": ["x"]}, "specials": {}}',
        '{"kind": "CrossProductsQuestion", "exponents": 3}',
    ],
)
def test_what_is_no_question_is_refused(text):
    with pytest.raises(ReleaseError, match="refused"):
        read_message(text)


def test_a_name_that_is_nearly_right_is_suggested():
    with pytest.raises(ReleaseError, match="Did you mean 'DriftQuestion'"):
        read_message(json.dumps({"kind": "DriftQuestio"}))
    with pytest.raises(TypeError):
        write_message(object())


def test_layouts_are_known_before_anyone_computes_and_answers_fit_them(synthetic, fitted, divide):
    ((frame, y),) = divide(synthetic).train
    bins = tuple(one.fine for one in fitted.binnings)
    names = [one.feature.name for one in bins if one.cuts]
    for question in (
        HistogramQuestion(tuple(names), {}),
        PartsQuestion({names[0]: (1400, 1401)}, {names[0]: (-1.0,)}),
        DetailsQuestion({names[0]: ((1400, 3), (1401, 255))}, {}),
        ClassCountsQuestion(bins),
        DriftQuestion(fitted.binnings),
        ScoreCountsQuestion(fitted.card),
    ):
        layout = question.layout()
        for rows in (slice(None), slice(0, 0), slice(5, 6)):
            vector = layout.encode(question.answer(frame.iloc[rows], y[rows]))
            assert layout.admits(vector) and vector.shape == (layout.size,)
    assert np.array_equal(fitted.card.score(frame.iloc[:0]), np.zeros(0))


def test_no_information_is_said_in_a_sentence(synthetic, scorecard_spec, divide):
    from dataclasses import replace

    spec = replace(scorecard_spec, selection=replace(scorecard_spec.selection, min_iv=9.0))
    with pytest.raises(DataError, match=r"model\.selection\.min_iv"):
        fit_scorecard(feature_specs(synthetic.fields, synthetic.schema), spec, divide(synthetic))
