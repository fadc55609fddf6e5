"""What a certificate covers is read from an expression, or the expression is refused."""

import pytest

from reference_impl.server.http_gateway.expressions import (
    Coverage,
    CoveredRequest,
    CoveredResponse,
    NoExpression,
    NothingCovered,
    coverage_of,
)
from reference_impl.server.http_gateway.tests.websites import EXCLUDING, OF_BOTH, OF_NOTHING, OF_RESPONSE

WITHOUT_REQUEST = "default_certification(ValidationArgs{certification:Certification{no_request_certification:Empty{},"


def test_an_expression_covers_a_response_and_perhaps_a_request_or_nothing():
    listed = CoveredResponse(frozenset({"content-type"}), are_excluded=False)
    assert coverage_of(OF_RESPONSE) == Coverage(None, listed)
    assert coverage_of(OF_BOTH) == Coverage(CoveredRequest(frozenset({"x-language"}), ("q",)), listed)
    assert coverage_of(EXCLUDING) == Coverage(None, CoveredResponse(frozenset({"date"}), are_excluded=True))
    assert coverage_of(OF_NOTHING) == NothingCovered()


def test_space_between_the_parts_does_not_matter():
    spaced = OF_BOTH.replace("{", " {\n ").replace(":", " : ").replace(",", " ,\t").replace("[", "[ ") + " \n"
    assert coverage_of(spaced) == coverage_of(OF_BOTH)


def test_listed_headers_are_covered_and_excluded_ones_are_not():
    assert CoveredResponse(frozenset({"etag"}), are_excluded=False).covers("ETag")
    assert not CoveredResponse(frozenset({"etag"}), are_excluded=False).covers("date")
    assert not CoveredResponse(frozenset({"etag"}), are_excluded=True).covers("ETag")
    assert CoveredResponse(frozenset({"etag"}), are_excluded=True).covers("date")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "default_certification",
        "default_certification()",
        "other_certification(ValidationArgs{no_certification:Empty{}})",
        "default_certification(ValidationArgs{})",
        "default_certification(Other{no_certification:Empty{}})",
        "default_certification(ValidationArgs{no_certification:Empty{a:[]}})",
        "default_certification(ValidationArgs{no_certification:Empty{},no_certification:Empty{}})",
        OF_NOTHING + OF_NOTHING,
        OF_NOTHING[:-1],
        OF_RESPONSE.replace('"content-type"', '"IC-Certificate"'),
        OF_RESPONSE.replace('"content-type"', '"ic-certificateexpression"'),
        OF_RESPONSE.replace('"content-type"', "content"),
        OF_RESPONSE.replace('"content-type"', '"content-type'),
        OF_RESPONSE.replace('"content-type"', '"a" "b"'),
        OF_RESPONSE.replace("no_request_certification:Empty{},", ""),
        WITHOUT_REQUEST + "response_certification:ResponseCertification{}}})",
        WITHOUT_REQUEST + "response_certification:ResponseCertification{certified_response_headers:[]}}})",
        OF_BOTH.replace('["x-language"]', "[[]]"),
        OF_BOTH.replace("certified_request_headers", "other"),
        "[" * 100_000,
        "a{b:" * 50_000,
        OF_NOTHING.replace("{", "{\0"),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(NoExpression) as refused:
        coverage_of(text)
    assert "\n" not in str(refused.value)
