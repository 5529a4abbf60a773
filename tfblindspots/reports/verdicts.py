"""The paper's claims on E1, E2 and E4, each with the rule by which our numbers are held against it.

A rule is a function of one target's numbers; each target (random, untargeted) is judged alone,
since the paper does not say which it used. A claim *holds* when it holds for every target that was
run, *does not hold here* when it does so for none and not even in part, and else *holds partly*.
Fed with the paper's own tables, every rule on them gives *holds*: the rules ask no more of us
than the paper shows.
"""

from collections.abc import Callable, Iterable

from tfblindspots.reports import formatting, paper
from tfblindspots.reports.claims import Claim, Finding, Verdict, graded
from tfblindspots.reports.comparisons import column_means, mean, row_means, swaps
from tfblindspots.reports.formatting import distortion, percent, short_percent
from tfblindspots.reports.results import CrossTable, ImageSetRow, Results, noise_row

# E1: the share of successes below 100 % from which "every sample" still holds partly.
PARTIAL_SUCCESS = 0.99
# E1: the share of pairs in the paper's order from which the order holds partly (Kendall's tau 0.5).
PARTIAL_ORDER = 0.75
# E2: the share of off-diagonal cells that must be above the clean error, and from which partly.
TRANSFER_CELLS = 0.9
PARTIAL_CELLS = 0.5
# E4: accuracy on large noise; guessing gives 10 %.
NOISE_ACCURACY, PARTIAL_NOISE_ACCURACY = 0.4, 0.2
# E2: "well above" is this many times the clean error, on average.
TRANSFER_FACTOR = 2.0


def judge(results: Results) -> tuple[Claim, ...]:
    """Holds the results against every claim. Claims without numbers come out as *not measured*."""
    return (
        _claim(
            "E1",
            "Every sample of every network has an adversarial example nearby.",
            "Holds when the attack succeeds on 100 % of the correctly classified images of every "
            f"network; partly when on at least {short_percent(PARTIAL_SUCCESS)} of each network’s.",
            results,
            _success,
        ),
        _claim(
            "E1",
            "The mean distortions of the networks come in the order of the paper’s table.",
            "Compares every pair of the paper’s networks. Holds when all pairs have the paper’s "
            f"order; partly when at least {short_percent(PARTIAL_ORDER)} of them do.",
            results,
            _distortion_order,
        ),
        _claim(
            "E2",
            "Examples made for one network fool others: error well above that on clean images.",
            f"Holds when in at least {short_percent(TRANSFER_CELLS)} of the off-diagonal cells the "
            "95 % interval lies wholly above the same network’s interval on the clean images, and "
            f"the mean off-diagonal error is at least {TRANSFER_FACTOR:g} times the mean clean "
            f"error; partly when at least {short_percent(PARTIAL_CELLS)} of the cells are above.",
            results,
            _cross(_transfer),
        ),
        _claim(
            "E2",
            "The sets made for the softmax regressions (FC10) hurt other networks most.",
            "Takes the mean off-diagonal error of each row. Holds when the most harmful set is an "
            "FC10 set and the FC10 sets are on average more harmful than the others; partly when "
            "one of the two is so.",
            results,
            _cross(_most_harmful),
        ),
        _claim(
            "E2",
            "AE400-10 resists best.",
            "Takes the mean off-diagonal error of each column. Holds when AE400-10 has the lowest; "
            "partly when the second lowest of at least three.",
            results,
            _cross(_resists_best),
        ),
        _claim(
            "E2",
            "Adversarial sets hurt more than Gaussian noise of larger distortion.",
            "Compares each off-diagonal cell with the same network’s error on the weakest noise "
            "whose distortion is not below the set’s mean distortion. Holds when the error on the "
            "set is higher in every cell; partly when in at least "
            f"{short_percent(PARTIAL_CELLS)} of them.",
            results,
            _cross(_beats_noise),
        ),
        _large_noise(results),
    )


Rule = Callable[[Results, str], tuple[Verdict, str] | None]


def _claim(experiment: str, statement: str, rule: str, results: Results, apply: Rule) -> Claim:
    outcomes = ((target, apply(results, target)) for target in results.targets)
    findings = tuple(
        Finding(formatting.target(target), *outcome) for target, outcome in outcomes if outcome
    )
    return Claim(experiment, statement, rule, findings)


def _cross(apply: Callable[[Results, CrossTable], tuple[Verdict, str] | None]) -> Rule:
    def rule(results: Results, target: str) -> tuple[Verdict, str] | None:
        table = results.cross_model.get(target)
        return apply(results, table) if table else None

    return rule


def _success(results: Results, target: str) -> tuple[Verdict, str] | None:
    rates = {
        network.title: network.attacks[target].success_rate
        for network in results.networks
        if target in network.attacks
    }
    known = {title: rate for title, rate in rates.items() if rate is not None}
    if not known:
        return None
    worst = min(known, key=lambda title: known[title])
    verdict = graded(known[worst], PARTIAL_SUCCESS)
    if verdict is Verdict.HOLDS:
        return verdict, f"100 % of the correctly classified images, on all {len(known)} networks."
    return verdict, f"Lowest success {percent(known[worst])} ({worst})."


def _distortion_order(results: Results, target: str) -> tuple[Verdict, str] | None:
    ours = {
        network.name: network.attacks[target].mean_distortion
        for network in results.networks
        if target in network.attacks and network.name in paper.NETWORKS
    }
    known = {name: value for name, value in ours.items() if value is not None}
    pairs = len(known) * (len(known) - 1) // 2
    if not pairs:
        return None
    papers = {name: paper.NETWORKS[name].distortion for name in known}
    swapped = swaps(known, papers)
    order = " < ".join(
        f"{results.title(name)} {distortion(known[name])}"
        for name in sorted(known, key=lambda name: known[name])
    )
    verdict = graded(1 - len(swapped) / pairs, PARTIAL_ORDER)
    return verdict, f"{pairs - len(swapped)} of {pairs} pairs in the paper’s order: {order}."


def _transfer(results: Results, table: CrossTable) -> tuple[Verdict, str] | None:
    clean = next((row for row in table.rows if row.clean), None)
    pairs = [
        (cell, clean.cells[name])
        for row in table.rows
        if row.made_for is not None and clean is not None
        for name, cell in table.off_diagonal(row).items()
        if name in clean.cells
    ]
    if not pairs:
        return None
    above = sum(cell.low > base.high for cell, base in pairs)
    error = sum(cell.rate for cell, _ in pairs) / len(pairs)
    base_error = sum(base.rate for _, base in pairs) / len(pairs)
    share = above / len(pairs)
    if share >= TRANSFER_CELLS and error >= TRANSFER_FACTOR * base_error:
        verdict = Verdict.HOLDS
    else:
        verdict = Verdict.PARTLY if share >= PARTIAL_CELLS else Verdict.FAILS
    return verdict, (
        f"{above} of {len(pairs)} cells above the clean error; on average {percent(error)} "
        f"against {percent(base_error)} on the clean images."
    )


def _most_harmful(results: Results, table: CrossTable) -> tuple[Verdict, str] | None:
    harm = {name: value for name, value in row_means(table).items() if name in paper.NETWORKS}
    linear = mean(harm[name] for name in harm if name in paper.SOFTMAX_REGRESSION)
    others = mean(harm[name] for name in harm if name not in paper.SOFTMAX_REGRESSION)
    if linear is None or others is None:
        return None
    worst = max(harm, key=lambda name: harm[name])
    agreeing = (worst in paper.SOFTMAX_REGRESSION) + (linear > others)
    verdict = (Verdict.FAILS, Verdict.PARTLY, Verdict.HOLDS)[agreeing]
    return verdict, (
        f"Most harmful: the set made for {results.title(worst)} (mean error of the others "
        f"{percent(harm[worst])}). FC10 sets on average {percent(linear)}, the other sets "
        f"{percent(others)}."
    )


def _resists_best(results: Results, table: CrossTable) -> tuple[Verdict, str] | None:
    means = {name: value for name, value in column_means(table).items() if name in paper.NETWORKS}
    if paper.AUTOENCODER not in means or len(means) < 2:
        return None
    lower = [name for name in means if means[name] < means[paper.AUTOENCODER]]
    if not lower:
        verdict = Verdict.HOLDS
    else:
        verdict = Verdict.PARTLY if len(lower) == 1 and len(means) > 2 else Verdict.FAILS
    order = [
        f"{results.title(name)} {percent(means[name])}"
        for name in sorted(means, key=lambda name: means[name])
    ]
    return verdict, f"Mean error on the sets made for others: {' < '.join(order)}."


def _beats_noise(results: Results, table: CrossTable) -> tuple[Verdict, str] | None:
    cells = [
        (cell.rate, noise.cells[name].rate)
        for row in table.rows
        if row.made_for is not None
        for noise in _weakest_noise_above(table.rows, row.mean_distortion)
        for name, cell in table.off_diagonal(row).items()
        if name in noise.cells
    ]
    if not cells:
        return None
    higher = sum(error > noise_error for error, noise_error in cells)
    error, noise_error = (sum(column) / len(cells) for column in zip(*cells, strict=True))
    return graded(higher / len(cells), PARTIAL_CELLS), (
        f"Higher in {higher} of {len(cells)} cells; on average {percent(error)} against "
        f"{percent(noise_error)} on noise that is at least as large."
    )


def _large_noise(results: Results) -> Claim:
    """E4: the noise is the same whatever the target of the attacks."""
    found = (noise_row(table, paper.LARGE_NOISE) for table in results.cross_model.values())
    row = next(found, None)
    findings: tuple[Finding, ...] = ()
    if row is not None:
        accuracies = {name: 1 - cell.rate for name, cell in row.cells.items()}
        average = sum(accuracies.values()) / len(accuracies)
        if average >= NOISE_ACCURACY:
            verdict = Verdict.HOLDS
        else:
            verdict = Verdict.PARTLY if average >= PARTIAL_NOISE_ACCURACY else Verdict.FAILS
        shown = "; ".join(
            f"{results.title(name)} {percent(value)}" for name, value in accuracies.items()
        )
        findings = (Finding("Accuracy", verdict, f"On average {percent(average)}: {shown}."),)
    return Claim(
        "E4",
        "Noise far larger than adversarial changes leaves many images recognised.",
        "Takes the mean accuracy of the networks on Gaussian noise of standard deviation "
        f"{paper.LARGE_NOISE:g}. Holds from {short_percent(NOISE_ACCURACY)} on (the paper has "
        f"51 %); partly from {short_percent(PARTIAL_NOISE_ACCURACY)} on.",
        findings,
    )


def _weakest_noise_above(
    rows: Iterable[ImageSetRow], distortion: float | None
) -> list[ImageSetRow]:
    above = [
        row
        for row in rows
        if row.noise and distortion is not None and (row.mean_distortion or 0) >= distortion
    ]
    return sorted(above, key=lambda row: row.mean_distortion or 0)[:1]
