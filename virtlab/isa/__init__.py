"""The instruction set: one table, and what is derived from it.

`instructions` is the table; `decode` (compiled), `assembler` and `disassembler` read it. `op`
numbers the operations for the run loop, `encoding` names the privileged architecture's registers
and bits.
"""
