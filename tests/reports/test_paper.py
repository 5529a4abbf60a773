import pytest

from tfblindspots.reports import paper


def test_tables_cover_the_same_networks_in_the_same_order() -> None:
    names = list(paper.NETWORKS)
    assert list(paper.CROSS_MODEL) == names
    for rates in (*paper.CROSS_MODEL.values(), *paper.NOISE.values()):
        assert list(rates) == names
        assert all(0 <= rate <= 1 for rate in rates.values())


def test_every_network_errs_on_all_of_its_own_set() -> None:
    assert all(paper.CROSS_MODEL[name][name] == 1 for name in paper.NETWORKS)


@pytest.mark.parametrize(
    ("made_for", "fed_to", "percent"),
    [
        ("fc10-1e-4", "ae400-10", 2.7),
        ("fc10-1e-2", "fc10-1e-4", 87.1),
        ("fc10-1", "fc200-200-10", 47),
        ("fc100-100-10", "fc10-1", 21.1),
        ("ae400-10", "fc100-100-10", 9.4),
    ],
)
def test_cells_are_where_the_paper_prints_them(made_for: str, fed_to: str, percent: float) -> None:
    assert paper.CROSS_MODEL[made_for][fed_to] == pytest.approx(percent / 100)
