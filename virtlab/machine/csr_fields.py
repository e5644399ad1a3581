"""CSRs taken apart: which bits of a register are which field.

Source: Privileged ISA 20240411, the figure of each register.
"""

from dataclasses import dataclass

from virtlab.isa.encoding import CSR_NUMBERS, EXCEPTION_NAMES, INTERRUPT_NAMES, cause_name

_STATUS = {
    "SD": (63, 63),
    "UXL": (33, 32),
    "MXR": (19, 19),
    "SUM": (18, 18),
    "XS": (16, 15),
    "FS": (14, 13),
    "VS": (10, 9),
    "SPP": (8, 8),
    "UBE": (6, 6),
    "SPIE": (5, 5),
    "SIE": (1, 1),
}
_MSTATUS = {
    "SD": (63, 63),
    "MPV": (39, 39),
    "GVA": (38, 38),
    "MBE": (37, 37),
    "SBE": (36, 36),
    "SXL": (35, 34),
    "UXL": (33, 32),
    "TSR": (22, 22),
    "TW": (21, 21),
    "TVM": (20, 20),
    "MXR": (19, 19),
    "SUM": (18, 18),
    "MPRV": (17, 17),
    "XS": (16, 15),
    "FS": (14, 13),
    "MPP": (12, 11),
    "VS": (10, 9),
    "SPP": (8, 8),
    "MPIE": (7, 7),
    "UBE": (6, 6),
    "SPIE": (5, 5),
    "MIE": (3, 3),
    "SIE": (1, 1),
}
_HSTATUS = {
    "VSXL": (33, 32),
    "VTSR": (22, 22),
    "VTW": (21, 21),
    "VTVM": (20, 20),
    "VGEIN": (17, 12),
    "HU": (9, 9),
    "SPVP": (8, 8),
    "SPV": (7, 7),
    "GVA": (6, 6),
    "VSBE": (5, 5),
}
_TVEC = {"BASE": (63, 2), "MODE": (1, 0)}
_CAUSE = {"Interrupt": (63, 63), "Code": (62, 0)}
_ATP = {"MODE": (63, 60), "ASID": (59, 44), "PPN": (43, 0)}
_HGATP = {"MODE": (63, 60), "VMID": (57, 44), "PPN": (43, 0)}
_ENVCFG = {"STCE": (63, 63), "PBMTE": (62, 62), "ADUE": (61, 61), "FIOM": (0, 0)}
_COUNTERS = {"IR": (2, 2), "TM": (1, 1), "CY": (0, 0)}
_INTERRUPTS = {
    "SGEI": (12, 12),
    "MEI": (11, 11),
    "VSEI": (10, 10),
    "SEI": (9, 9),
    "MTI": (7, 7),
    "VSTI": (6, 6),
    "STI": (5, 5),
    "MSI": (3, 3),
    "VSSI": (2, 2),
    "SSI": (1, 1),
}
_EXCEPTIONS = {text: (code, code) for code, text in EXCEPTION_NAMES.items()}
_DELEGATED = {text: (code, code) for code, text in INTERRUPT_NAMES.items()}

FIELDS: dict[str, dict[str, tuple[int, int]]] = {
    "mstatus": _MSTATUS,
    "sstatus": _STATUS,
    "vsstatus": _STATUS,
    "hstatus": _HSTATUS,
    "misa": {"MXL": (63, 62), "Extensions": (25, 0)},
    "medeleg": _EXCEPTIONS,
    "hedeleg": _EXCEPTIONS,
    "mideleg": _DELEGATED,
    "hideleg": _DELEGATED,
    "satp": _ATP,
    "vsatp": _ATP,
    "hgatp": _HGATP,
    "menvcfg": _ENVCFG,
    "henvcfg": _ENVCFG,
    "mcountinhibit": {"IR": (2, 2), "CY": (0, 0)},
    **dict.fromkeys(("mtvec", "stvec", "vstvec"), _TVEC),
    **dict.fromkeys(("mcause", "scause", "vscause"), _CAUSE),
    **dict.fromkeys(("mcounteren", "scounteren", "hcounteren"), _COUNTERS),
    **dict.fromkeys(
        ("mie", "mip", "sie", "sip", "hie", "hip", "hvip", "vsie", "vsip"), _INTERRUPTS
    ),
    **{
        f"pmpcfg{2 * k}": {
            f"{field}{8 * k + j}": (8 * j + high, 8 * j + low)
            for j in range(8)
            for field, high, low in (
                ("L", 7, 7),
                ("A", 4, 3),
                ("X", 2, 2),
                ("W", 1, 1),
                ("R", 0, 0),
            )
        }
        for k in (0, 1)
    },
}
SHOWN = [name for name in CSR_NUMBERS if "hpm" not in name and "pmp" not in name]


@dataclass(frozen=True)
class CsrValue:
    """A CSR's value, unsigned, with its fields (high bits first) and, for a cause, its name."""

    name: str
    number: int
    value: int

    @property
    def fields(self) -> dict[str, int]:
        """Field name to value; one field `value` for a register that has no parts."""
        parts = FIELDS.get(self.name, {"value": (63, 0)})
        return {
            f: self.value >> low & (1 << high - low + 1) - 1 for f, (high, low) in parts.items()
        }

    @property
    def meaning(self) -> str:
        """The cause's name for mcause, scause and vscause, else the fields that are not zero."""
        if self.name.endswith("cause"):
            return cause_name(self.value)
        if self.name not in FIELDS:
            return ""
        return " ".join(f"{f}={v}" if v > 1 else f for f, v in self.fields.items() if v)

    def __str__(self) -> str:
        digits = f"{self.value:016x}"
        grouped = "_".join(digits[k : k + 4] for k in range(0, 16, 4))
        return f"{self.name} 0x{grouped} {self.meaning}".rstrip()
