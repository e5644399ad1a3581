"""How does a page call a function that Numba compiled?

Numba's functions take a place for the result, a place for an exception, and every array as seven
values or more. An entry is a small function around one of them with plain parameters: a number as
itself, a record as the address of its bytes, an array as the address of its first element and one
length (i32) an axis, a tuple as its fields one after another. It is written with Numba's own
builders, so that Numba decides how its function is called.

A function that raises returns a status. The entry then calls `RAISED` + its name, which does not
exist, with the exception: if the optimizer can prove that nothing is raised, that call disappears,
and if not, the function is refused.
"""

from llvmlite import ir
from numba.core import types
from numba.np.arrayobj import populate_array

from virtlab.wasm.manifest import wasm_type

RAISED = "raised by "
ENTRY = "entry of "  # no function of C's has such a name

WASM_TYPES = {
    "i32": ir.IntType(32),
    "i64": ir.IntType(64),
    "f32": ir.FloatType(),
    "f64": ir.DoubleType(),
}
ADDRESS = ir.PointerType(ir.IntType(8))
LENGTH = ir.IntType(32)


def entry_ir(name: str, compiled, arguments: list) -> str:
    """LLVM code of the entry for export `name` of what Numba has compiled for these arguments."""
    context, signature = compiled.target_context, compiled.signature
    module = context.create_module(ENTRY + name)
    callee = context.declare_function(module, compiled.fndesc)
    result = signature.return_type
    returned = ir.VoidType() if result is types.none else WASM_TYPES[wasm_type(result)]
    parameters = [kind for argument in arguments for kind in _parameters(argument)]
    function = ir.Function(module, ir.FunctionType(returned, parameters), ENTRY + name)
    builder = ir.IRBuilder(function.append_basic_block())
    plain = iter(function.args)
    values = [_value(context, builder, argument, plain) for argument in arguments]
    status, value = context.call_conv.call_function(builder, callee, result, signature.args, values)
    with builder.if_then(status.is_error, likely=False):
        kind = ir.FunctionType(ir.VoidType(), [status.excinfoptr.type])
        builder.call(ir.Function(module, kind, RAISED + name), [status.excinfoptr])
        builder.unreachable()
    if result is types.none:
        builder.ret_void()
    else:
        builder.ret(_to_wasm(builder, result, value, returned))
    return str(module)


def _parameters(argument) -> list:
    """The entry's parameters for one of Numba's."""
    if argument.fields:
        return [kind for _, inner in argument.fields for kind in _parameters(inner)]
    if isinstance(argument.type, types.Array):
        return [ADDRESS] + [LENGTH] * argument.type.ndim
    if isinstance(argument.type, types.Record):
        return [ADDRESS]
    return [WASM_TYPES[wasm_type(argument.type)]]


def _value(context, builder, argument, plain):
    """Numba's value for one of its parameters, out of the entry's."""
    type_ = argument.type
    if argument.fields:
        inner = [_value(context, builder, field, plain) for _, field in argument.fields]
        return context.make_tuple(builder, type_, inner)
    if isinstance(type_, types.Array):
        return _array(context, builder, type_, plain)
    if isinstance(type_, types.Record):
        return builder.bitcast(next(plain), context.get_value_type(type_))
    wanted, value = context.get_value_type(type_), next(plain)
    if type_ is types.boolean:
        return builder.icmp_unsigned("!=", value, value.type(0))
    return builder.trunc(value, wanted) if value.type != wanted else value


def _array(context, builder, type_, plain):
    """A C-ordered array that nobody owns, at an address with a length an axis."""
    wide = context.get_value_type(types.intp)
    address = next(plain)
    shape = [builder.zext(next(plain), wide) for _ in range(type_.ndim)]
    stride = itemsize = wide(context.get_abi_sizeof(context.get_data_type(type_.dtype)))
    strides = []
    for length in reversed(shape):
        strides.insert(0, stride)
        stride = builder.mul(stride, length)
    array = context.make_array(type_)(context, builder)
    populate_array(
        array,
        data=builder.bitcast(address, array.data.type),
        shape=shape,
        strides=strides,
        itemsize=itemsize,
        meminfo=None,
    )
    return array._getvalue()


def _to_wasm(builder, type_, value, wanted):
    """The result, widened to a type that WebAssembly has."""
    if value.type == wanted:
        return value
    signed = isinstance(type_, types.Integer) and type_.signed
    return (builder.sext if signed else builder.zext)(value, wanted)
