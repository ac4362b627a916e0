"""One-to-one assignment of rows and columns of a cost matrix."""

import numpy as np


def assign(cost: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of a row and a column: as many as possible, then of the least total cost.

    Rows and columns that share no possible pair are solved apart. In most frames each
    of these problems is one body and one track, so that SciPy, whose import takes half
    a second, is rarely needed.

    Args:
        cost: (rows, columns); infinite or NaN where a pair is not possible.

    Returns:
        (row, column) of each pair, by row.
    """
    possible = np.isfinite(cost)
    pairs: list[tuple[int, int]] = []
    for rows, columns in _connected(possible):
        part = cost[np.ix_(rows, columns)]
        if min(part.shape) == 1:
            row, column = np.unravel_index(np.argmin(part), part.shape)
            pairs.append((int(rows[row]), int(columns[column])))
            continue
        inside = possible[np.ix_(rows, columns)]
        pairs += [
            (int(rows[row]), int(columns[column]))
            for row, column in _solve(part, inside)
        ]
    return sorted(pairs)


def _connected(possible: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of each connected part of a bipartite graph with edges."""
    left = set(np.flatnonzero(possible.any(axis=1)))
    parts = []
    while left:
        rows, grown = np.array([]), np.array([min(left)])
        while len(grown) > len(rows):
            rows, columns = grown, np.flatnonzero(possible[grown].any(axis=0))
            grown = np.flatnonzero(possible[:, columns].any(axis=1))
        parts.append((rows, columns))
        left -= set(rows)
    return parts


def _solve(cost: np.ndarray, possible: np.ndarray) -> list[tuple[int, int]]:
    from scipy import optimize  # takes long to import

    # More than all possible pairs together, so that their number comes first.
    known = cost[possible]
    much = 1.0 + 2.0 * np.abs(known).sum()
    rows, columns = optimize.linear_sum_assignment(np.where(possible, cost, much))
    return [
        (row, column)
        for row, column in zip(rows, columns, strict=True)
        if possible[row, column]
    ]
