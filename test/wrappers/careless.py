"""A wrapper that tells what it knows in every way that there is, for tests of who hears of it."""

from __future__ import annotations

import logging
from typing import Any

from multicorn import Error, ForeignDataWrapper
from multicorn.utils import INFO, log_to_postgres


class Careless(ForeignDataWrapper):
    """Option `how` says when: with `error` it also fails; what it tells are all its options."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.options = dict(options)
        self.how = options.get("how", "")

    def execute(self, quals: Any, columns: Any) -> Any:
        text = f"I know {self.options}"
        print(text)
        logging.getLogger("careless").warning("%s", text)
        log_to_postgres(text, INFO, hint=text, detail=text)
        if self.how == "error":
            try:
                raise ValueError(text)
            except ValueError as error:
                raise Error(text, detail=text, hint=text) from error
        return [(1,)]

    def explain(self, quals: Any, columns: Any, **keywords: Any) -> Any:
        return [f"{name}: {value}" for name, value in self.options.items()]
