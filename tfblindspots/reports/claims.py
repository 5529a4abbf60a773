"""What a claim of the paper is to the report, and how verdicts are drawn."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Verdict(enum.StrEnum):
    """What our numbers say of a claim."""

    HOLDS = "holds"
    PARTLY = "holds partly"
    FAILS = "does not hold here"
    UNTESTED = "not measured"


class Finding(NamedTuple):
    """A rule's outcome for one case, such as a target."""

    case: str  # in a sentence: "random target"
    verdict: Verdict
    evidence: str  # a sentence with the numbers


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, the rule and what came out."""

    experiment: str  # E1 to E7
    statement: str
    rule: str
    findings: tuple[Finding, ...]  # one a case that could be judged

    @property
    def verdict(self) -> Verdict:
        """The cases' verdicts taken together."""
        found = {finding.verdict for finding in self.findings}
        if not found:
            return Verdict.UNTESTED
        return found.pop() if len(found) == 1 else Verdict.PARTLY


def graded(share: float, partly_from: float) -> Verdict:
    """*Holds* for all, *holds partly* from a share on."""
    if share == 1:
        return Verdict.HOLDS
    return Verdict.PARTLY if share >= partly_from else Verdict.FAILS


def agreeing(checks: Iterable[bool]) -> Verdict:
    """*Holds* when all checks agree with the claim, *holds partly* when some do."""
    found = list(checks)
    if all(found):
        return Verdict.HOLDS
    return Verdict.PARTLY if any(found) else Verdict.FAILS
