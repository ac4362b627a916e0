"""Progress bars on standard error."""

from typing import Any

import tqdm


class Bar(tqdm.tqdm):
    """A bar whose remaining time does not count compiling.

    The first item includes compiling the programs that process it: until it is done,
    the bar says "compiling ...", and the rate is measured from then on.
    """

    def __init__(self, total: int, desc: str, unit: str, **options: Any):
        """Starts the bar.

        Args:
            total: number of items.
            desc: what is done, before the bar.
            unit: name of an item.
            options: of `tqdm.tqdm`.
        """
        options = {"mininterval": 1.0} | options
        super().__init__(total=total, desc=desc, unit=unit, **options)
        self._compiling = not self.disable
        if self._compiling:
            self.set_postfix_str("compiling ...")

    def update(self, n: float | None = 1) -> bool | None:
        """Adds `n` items."""
        if not self._compiling:
            return super().update(n)
        self._compiling = False
        self.n += n or 0
        self.initial = self.last_print_n = self.n
        self.start_t = self.last_print_t = self._time()
        self.set_postfix_str("")
        return True
