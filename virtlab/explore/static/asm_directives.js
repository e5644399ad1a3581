// The assembler's directives: data, alignment, constants and sections: virtlab.isa.directives.
//
// Each rule takes the assembler's pass, the directive's token and the tokens behind it. The tables say
// which directive follows which rule, and with which arguments.

import { splitOperands } from "./asm_operands.js";
import { hex, shortened } from "./asm_text.js";

// The `n` low bytes of a value, the lowest first.
export const littleEndian = (value, n) => Uint8Array.from({ length: n }, (_, at) => Number(BigInt.asUintN(8, value >> BigInt(8 * at))));

export function makeDirectives(tables, stringBytes) {
  // One to `most` values.
  function readValues(state, token, tokens, form, most) {
    const operands = splitOperands(tokens);
    if (operands.length < 1 || operands.length > most) throw token.error(`${token.text} takes ${form}`);
    return operands.map((operand) => state.value(operand));
  }

  // The byte to fill with, or null if none was given.
  function readFill(token, values) {
    if (values.length < 2) return null;
    if (values[1] < -128n || values[1] > 255n) throw token.error(`the fill byte ${values[1]} is not in -128 to 255`);
    return Number(values[1]) & 0xff;
  }

  const rules = {
    // Values of some bytes each, signed or unsigned.
    emit_integers({ n_bytes: n }) {
      const bits = BigInt(8 * n);
      const [low, high] = [-(1n << (bits - 1n)), (1n << bits) - 1n];
      return (state, token, tokens) => {
        for (const operand of splitOperands(tokens)) {
          const first = operand[0];
          if (first.kind === "string") throw first.error(`${token.text} takes values; .string takes text`);
          const value = state.value(operand);
          if (state.final && (value < low || value > high)) throw first.error(`${value} does not fit in ${token.text}: ${low} to ${high}`);
          state.emit(first, littleEndian(value, n));
        }
      };
    },

    // Strings, each followed by `ending`.
    emit_strings({ ending }) {
      return (state, token, tokens) => {
        for (const operand of splitOperands(tokens)) {
          const first = operand[0];
          if (operand.length !== 1 || first.kind !== "string") throw first.error(`${token.text} takes strings, such as "hello\\n"`);
          state.emit(first, Uint8Array.from([...stringBytes(first), ...[...ending].map((character) => character.charCodeAt(0))]));
        }
      };
    },

    space() {
      return (state, token, tokens) => {
        const values = readValues(state, token, tokens, "a number of bytes and, if wanted, a fill byte", 2);
        let n = values[0];
        if (n < 0n) {
          if (state.final) throw token.error(`${token.text} cannot leave ${n} bytes`);
          n = 0n;
        }
        const fill = readFill(token, values);
        state.makeRoom(token, n);
        state.emit(token, new Uint8Array(Number(n)).fill(fill ?? 0));
      };
    },

    // The operand is the exponent, or the number of bytes itself.
    align({ power_of_two: isExponent }) {
      return (state, token, tokens) => {
        const values = readValues(state, token, tokens, "an alignment and, if wanted, a fill byte", 2);
        let wanted = values[0];
        if (isExponent) {
          if (wanted < 0n || wanted > 20n) throw token.error(`${token.text} takes an exponent from 0 to 20, not ${wanted}`);
          wanted = 1n << wanted;
        } else if (wanted === 0n && !state.final) wanted = 1n; // not known yet
        if (wanted < 1n || wanted > tables.largest_alignment || wanted & (wanted - 1n)) {
          throw token.error(`${token.text} takes a power of two up to 0x100000, not ${wanted}`);
        }
        state.align(wanted);
        state.pad(token, Number(-state.address & (wanted - 1n)), readFill(token, values));
      };
    },

    // On to N bytes behind the start of the section, or to the address N.
    org() {
      return (state, token, tokens) => {
        const [value] = readValues(state, token, tokens, "an offset in the section or an address", 1);
        const start = state.starts.get(state.section);
        const target = value >= start ? value : start + value;
        if (target < state.address) {
          if (state.final) throw token.error(`.org cannot go back from ${hex(state.address)} to ${hex(target)}`);
          return;
        }
        state.makeRoom(token, target - state.address);
        state.emit(token, new Uint8Array(Number(target - state.address)));
      };
    },

    equ() {
      return (state, token, tokens) => {
        if (tokens.length < 2 || tokens[1].text !== ",") throw token.error(`${token.text} takes name, value`);
        state.define(tokens[0], tokens.slice(2), tokens[1]);
      };
    },

    change_section() {
      return (state, token, tokens) => {
        let [place, name] = [token, token.text];
        if (name === ".section") {
          if (!tokens.length) throw token.error(".section takes a name: .text, .rodata, .data or .bss");
          [place, name] = [tokens[0], tokens[0].text];
        } else if (tokens.length) throw tokens[0].error(`${name} takes no operands`);
        const section = tables.sections.find((known) => name === known || name.startsWith(`${known}.`));
        if (!section) throw place.error(`the sections are .text, .rodata, .data and .bss, not ${shortened(name)}`);
        state.section = section;
      };
    },
  };

  return new Map(Object.entries(tables.directives).map(([name, [rule, options]]) => [name, rules[rule](options)]));
}
