"""A plainly synthetic company whose truth is known: for demonstrations and for tests of the whole chain."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crm_analysis.sources.demo.company import make_demo as make_demo

__all__ = ["make_demo"]


def __getattr__(name: str) -> Any:
    if name != "make_demo":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from crm_analysis.sources.demo.company import make_demo

    return make_demo
