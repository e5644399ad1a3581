// A module of virtlab.wasm in a page or in a worker: its memory, arrays in it, and calls.
//
//   const instance = await open(bytes, manifest);          // or openNow(bytes, manifest) in a worker
//   const curve = instance.array("float64", [100]);
//   instance.call("fill", 0.5, curve);
//   curve.view;                                            // a Float64Array over the module's memory
//
// The manifest is what virtlab.wasm.build returns beside the module: the kinds of each function's
// parameters, and of each record where its fields stand. Numbers of 64-bit integer type are BigInts
// when they come out; going in, a Number will do if it is a whole one.
//
// Memory grows when an array needs room, and then every typed array over it dies. So none is kept:
// `view` makes a new one each time it is asked for, and costs less than a microsecond.

const PAGE_BYTES = 1 << 16;
const MOST_PAGES = 1 << 16; // 4 GiB, all that a 32-bit address reaches
const ALIGNMENT = 16;
const LARGE = 1 << 16; // an array of at least this many bytes starts at a page of 4096
const LARGE_ALIGNMENT = 4096;

const ELEMENTS = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

const READ = {
  bool: (data, at) => data.getUint8(at) !== 0,
  int8: (data, at) => data.getInt8(at),
  uint8: (data, at) => data.getUint8(at),
  int16: (data, at) => data.getInt16(at, true),
  uint16: (data, at) => data.getUint16(at, true),
  int32: (data, at) => data.getInt32(at, true),
  uint32: (data, at) => data.getUint32(at, true),
  int64: (data, at) => data.getBigInt64(at, true),
  uint64: (data, at) => data.getBigUint64(at, true),
  float32: (data, at) => data.getFloat32(at, true),
  float64: (data, at) => data.getFloat64(at, true),
};

const WRITE = {
  bool: (data, at, value) => data.setUint8(at, value ? 1 : 0),
  int8: (data, at, value) => data.setInt8(at, value),
  uint8: (data, at, value) => data.setUint8(at, value),
  int16: (data, at, value) => data.setInt16(at, value, true),
  uint16: (data, at, value) => data.setUint16(at, value, true),
  int32: (data, at, value) => data.setInt32(at, value, true),
  uint32: (data, at, value) => data.setUint32(at, value, true),
  int64: (data, at, value) => data.setBigInt64(at, BigInt(value), true),
  uint64: (data, at, value) => data.setBigUint64(at, BigInt(value), true),
  float32: (data, at, value) => data.setFloat32(at, value, true),
  float64: (data, at, value) => data.setFloat64(at, value, true),
};

// Results come as WebAssembly's four types; the dtype tells unsigned numbers and truth values.
const RESULT = {
  bool: (value) => value !== 0,
  uint8: (value) => value & 0xff,
  uint16: (value) => value & 0xffff,
  uint32: (value) => value >>> 0,
  uint64: (value) => BigInt.asUintN(64, value),
};

const elementBytes = (instance, dtype) =>
  ELEMENTS[dtype]?.BYTES_PER_ELEMENT ?? instance.layout(dtype).bytes;

// An array in a module's memory. `length` counts elements, `shape` is as in NumPy, order C.
export class WasmArray {
  constructor(instance, dtype, pointer, shape) {
    this.instance = instance;
    this.dtype = dtype; // a NumPy name such as "int64", or a layout's
    this.pointer = pointer;
    this.shape = shape;
    this.length = shape.reduce((product, n) => product * n, 1);
  }

  // The elements, as they are in memory now; of an array of records, the bytes.
  get view() {
    const Elements = ELEMENTS[this.dtype];
    return Elements ? new Elements(this.instance.memory.buffer, this.pointer, this.length) : this.bytes;
  }

  get bytes() {
    const n = this.length * elementBytes(this.instance, this.dtype);
    return new Uint8Array(this.instance.memory.buffer, this.pointer, n);
  }

  // The first `n` elements of a one-dimensional array, as an array.
  first(n) {
    if (this.shape.length !== 1 || !(n >= 0 && n <= this.length)) {
      throw new RangeError(`an array of shape [${this.shape}] has no first ${n} elements.`);
    }
    return new WasmArray(this.instance, this.dtype, this.pointer, [n]);
  }

  // The same bytes as a one-dimensional array of another type.
  as(dtype) {
    const n = (this.length * elementBytes(this.instance, this.dtype)) / elementBytes(this.instance, dtype);
    if (!Number.isInteger(n)) throw new RangeError(`${this.length} elements of ${this.dtype} are no whole number of ${dtype}.`);
    return new WasmArray(this.instance, dtype, this.pointer, [n]);
  }
}

// The fields of the records of an array, by name; `i` is the element of a field that is an array.
class RecordFields {
  constructor(array, index) {
    this.memory = array.instance.memory;
    this.layout = array.instance.layout(array.dtype);
    if (!(index >= 0 && index < array.length)) throw new RangeError(`there is no record ${index}; the array has ${array.length}.`);
    this.pointer = array.pointer + index * this.layout.bytes;
  }

  field(name) {
    const field = this.layout.fields[name];
    if (!field) throw new RangeError(`the record has no field ${name}.`);
    return field;
  }

  // [dtype, address] of element i of a field.
  place(name, i) {
    const { offset, dtype, shape } = this.field(name);
    const length = shape.reduce((product, n) => product * n, 1);
    if (!(i >= 0 && i < length)) throw new RangeError(`${name} has no element ${i}; it has ${length}.`);
    return [dtype, this.pointer + offset + i * ELEMENTS[dtype].BYTES_PER_ELEMENT];
  }

  get(name, i = 0) {
    const [dtype, at] = this.place(name, i);
    return READ[dtype](new DataView(this.memory.buffer), at);
  }

  set(name, value, i = 0) {
    const [dtype, at] = this.place(name, i);
    WRITE[dtype](new DataView(this.memory.buffer), at, value);
  }

  bytes(name) {
    const { offset, dtype, shape } = this.field(name);
    const n = shape.reduce((product, length) => product * length, 1);
    return new Uint8Array(this.memory.buffer, this.pointer + offset, n * ELEMENTS[dtype].BYTES_PER_ELEMENT);
  }
}

export class Instance {
  constructor(manifest) {
    this.manifest = manifest;
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(manifest.data_end / PAGE_BYTES) });
    this.end = manifest.data_end; // the first free byte
    this.exports = null;
  }

  // What the module imports: memory, the stack's upper end, functions of Math under C's names (with
  // an f behind for float32) and JavaScript's % as fmod.
  get imports() {
    const stack = new WebAssembly.Global({ value: "i32", mutable: true }, this.manifest.stack_bytes);
    const env = { memory: this.memory, __stack_pointer: stack };
    for (const name of this.manifest.imports) {
      const plain = Math[name] || name === "fmod" ? name : name.slice(0, -1);
      env[name] = plain === "fmod" ? (a, b) => a % b : Math[plain];
    }
    return { env };
  }

  layout(name) {
    const layout = this.manifest.layouts[name];
    if (!layout) throw new RangeError(`${name} is neither a number's type nor a record of this module.`);
    return layout;
  }

  // A new array, zero or a copy of `source` (an array of numbers, a typed array, or plain bytes).
  array(dtype, shape, source = null) {
    const lengths = Array.isArray(shape) ? [...shape] : [shape];
    if (!lengths.every((n) => Number.isInteger(n) && n >= 0)) throw new RangeError(`[${lengths}] is not a shape.`);
    const n = lengths.reduce((product, length) => product * length, 1) * elementBytes(this, dtype);
    const made = new WasmArray(this, dtype, this.reserve(n), lengths);
    if (source !== null) {
      const view = source instanceof Uint8Array ? made.bytes : made.view;
      if (source.length !== view.length) throw new RangeError(`the source has ${source.length} elements, not ${view.length}.`);
      view.set(source);
    }
    return made;
  }

  // The address of `n` free bytes, which are zero.
  reserve(n) {
    const alignment = n >= LARGE ? LARGE_ALIGNMENT : ALIGNMENT;
    const pointer = Math.ceil(this.end / alignment) * alignment;
    const end = pointer + Math.max(n, 1);
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE_BYTES);
    if (end > MOST_PAGES * PAGE_BYTES) throw new RangeError(`there is no room for ${n} bytes more.`);
    if (missing > 0) this.memory.grow(missing);
    this.end = end;
    return pointer;
  }

  // Give back what was reserved since `end` had this value: arrays made after it must not be used.
  release(end) {
    new Uint8Array(this.memory.buffer, end, this.end - end).fill(0);
    this.end = end;
  }

  record(array, index = 0) {
    return new RecordFields(array, index);
  }

  // Call an export. A tuple is given as an array of its fields.
  call(name, ...args) {
    const declared = this.manifest.functions[name];
    if (!declared) throw new RangeError(`this module has no function ${name}.`);
    const result = this.exports[name](...this.flat(name, declared.params, args));
    return (RESULT[declared.result_dtype] ?? ((value) => value))(result);
  }

  // An export with its first arguments given once, for those who call it often: a function of the
  // others, which are numbers as WebAssembly takes them. The result is WebAssembly's as well.
  bound(name, ...first) {
    const { params } = this.manifest.functions[name];
    const given = this.flat(name, params.slice(0, first.length), first);
    return (...others) => this.exports[name](...given, ...others);
  }

  flat(name, params, args) {
    if (args.length !== params.length) {
      throw new TypeError(`${name} takes ${params.length} arguments (${params.map((each) => each.name).join(", ")}), not ${args.length}.`);
    }
    return params.flatMap((param, k) => this.argument(name, param, args[k]));
  }

  // What stands for one argument among the plain parameters of the module's function.
  argument(name, param, value) {
    const bad = (accepted) => new TypeError(`${param.name} of ${name} is ${accepted}, not ${describe(value)}.`);
    switch (param.type) {
      case "f64":
      case "f32":
        if (typeof value !== "number") throw bad("a number");
        return value;
      case "i64":
        if (typeof value !== "bigint" && !Number.isInteger(value)) throw bad("a whole number");
        return BigInt(value);
      case "i32":
        if (typeof value !== "boolean" && !Number.isInteger(Number(value))) throw bad("a whole number");
        return Number(value);
      case "tuple":
        if (!Array.isArray(value)) throw bad(`an array of ${param.fields.length} fields`);
        return this.flat(`${name}(${param.name})`, param.fields, value);
      case "record":
        if (!(value instanceof WasmArray) || value.dtype !== param.layout || !value.length) throw bad(`an array of ${param.layout}`);
        return value.pointer;
      default:
        if (!(value instanceof WasmArray) || value.dtype !== param.dtype || value.shape.length !== param.ndim) {
          throw bad(`an array of ${param.dtype} with ${param.ndim} ax${param.ndim === 1 ? "is" : "es"}`);
        }
        if (value.instance !== this) throw bad("an array in this module's memory");
        return [value.pointer, ...value.shape];
    }
  }
}

const describe = (value) =>
  value instanceof WasmArray ? `an array of ${value.dtype} with shape [${value.shape}]` : `${typeof value} ${String(value)}`;

// An instance of a module; `bytes` is an ArrayBuffer or Uint8Array.
export async function open(bytes, manifest) {
  const instance = new Instance(manifest);
  instance.exports = (await WebAssembly.instantiate(bytes, instance.imports)).instance.exports;
  return instance;
}

// The same without waiting. Chromium allows it in a page for modules of at most 8 MB, and in workers.
export function openNow(bytes, manifest) {
  const instance = new Instance(manifest);
  instance.exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), instance.imports).exports;
  return instance;
}
