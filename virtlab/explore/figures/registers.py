"""What is in the registers? All of them, or those that changed."""

from collections.abc import Mapping

from virtlab.explore.drawing import Drawing, count, grouped_hex

SIGN = 1 << 63


def registers(
    values: Mapping[str, int], before: Mapping[str, int] | None = None, title: str = "Registers"
) -> Drawing:
    """List the registers that are not zero; with `before`, those that differ from it.

    Parameters
    ----------
    values, before : register name -> unsigned 64-bit value
    title : str
    """
    if before is None:
        shown = {name: value for name, value in values.items() if value}
        text = f"{count(len(shown), 'register')} of {len(values)} not zero."
    else:
        shown = {name: value for name, value in values.items() if value != before[name]}
        text = f"{count(len(shown), 'register')} of {len(values)} changed."
    words = ", ".join(f"{name} = {decimal(value)}" for name, value in shown.items())
    rows = tuple((name, grouped_hex(value), str(decimal(value))) for name, value in shown.items())
    columns = ("register", "hexadecimal", "signed decimal")
    return Drawing(title, f"{text} {words}".strip(), columns, rows)


def decimal(value: int) -> int:
    """A 64-bit pattern as a signed number."""
    return (value ^ SIGN) - SIGN
