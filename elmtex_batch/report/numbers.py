"""Numbers as people of either language read them: no decimals, and narrow spaces that do not break."""

from datetime import UTC, datetime


def percent(share: float | None) -> str:
    """A share from 0 to 1."""
    return "–" if share is None else f"{share:.0%}".replace("%", "\u202f%")


def grouped(number: float | None) -> str:
    """A whole number, its thousands apart."""
    return "–" if number is None else f"{number:,.0f}".replace(",", "\u202f")


def clock(moment: datetime | None) -> str:
    """To the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "–"


def points(length: float) -> str:
    """A length in a drawing."""
    return f"{length:.2f}"
