"""A small sample of the matrix of halts: the whole of it is ``python -m benchmarks halt_matrix``."""

from benchmarks import halt_matrix
from tests.kernels import compile_once


def test_a_halt_ends_with_proof_or_with_the_truth_whatever_is_wrong_around_it() -> None:
    compile_once()
    found = halt_matrix.main(["--runs", "4", "--seed-base", "3"])
    assert found["wrong"] == []
    assert sum(found["codes"].values()) == found["runs"] == 4


def test_the_two_hundred_combinations_differ_and_hold_every_value_of_every_dimension() -> None:
    made = halt_matrix.combinations(200, 1)
    assert len(set(made)) > 195
    for name, values in (("form", halt_matrix.FORMS), ("locale", halt_matrix.LOCALES), ("reason", halt_matrix.REASONS),
                         ("operator", halt_matrix.OPERATORS), ("state", halt_matrix.STATES),
                         ("trail", halt_matrix.TRAILS)):  # fmt: skip
        assert {getattr(one, name) for one in made} == set(values)
