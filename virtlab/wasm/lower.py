"""From compiled functions to one object file: how does Numba's code become WebAssembly code?

Numba keeps the LLVM code of a function together with that of all it calls. That of every export is
put in one module with an entry for each (see entry.py), everything but the entries is made
internal, and LLVM, which has WebAssembly among its targets, optimizes and translates it. A callee
that two exports share has the same name in both and is there once.
"""

import re

import llvmlite.binding as llvm
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

from virtlab.wasm import entry, refuse, support
from virtlab.wasm.origins import Origins
from virtlab.wasm.refusal import CannotBuild

TRIPLE = "wasm32-unknown-unknown"
# What Chromium, Firefox and Safari have had since 2021. A conversion of a float that no integer
# can hold saturates, rather than ending the program.
FEATURES = "+bulk-memory,+bulk-memory-opt,+mutable-globals,+nontrapping-fptoint,+sign-ext"
SPEED = 3
PLAIN_OPTIONS = {"nopython": True, "error_model": "numpy"}  # for a function not decorated

WIDE = re.compile(r"^ .*\bi(?:6[5-9]|[7-9]\d|1[0-2]\d) ", re.MULTILINE)  # 65 to 129 bits

# Nothing is ever allocated (that is refused), so counting references has no purpose left.
REFERENCE_COUNT = re.compile(r"^ +(?:tail )?call void @NRT_(?:incref|decref)\(.*\n", re.MULTILINE)


def compiled_function(path: str, function, text: str, arguments: list):
    """What Numba has compiled for `function` and these arguments; `text` is how they were given."""
    types = tuple(argument.type for argument in arguments)
    if not hasattr(function, "py_func"):
        if not callable(function) or not hasattr(function, "__code__"):
            raise CannotBuild(f"{path.replace(':', '.')}: this is not a function of Python's.")
        function = CPUDispatcher(function, targetoptions=PLAIN_OPTIONS)
    elif not hasattr(function, "targetoptions"):
        raise CannotBuild(f"{path.replace(':', '.')}: this is not a function for njit.")
    elif function.targetoptions.get("parallel"):
        raise CannotBuild(
            f"{path.replace(':', '.')}: is compiled with parallel=True; a page has one thread."
        )
    own_way = function._compiler.pipeline_class is not Compiler
    if own_way or (types not in function.overloads and not function._can_compile):
        # Decorated with a pipeline of its own, which may leave callees out, or with other types.
        function = CPUDispatcher(function.py_func, targetoptions=function.targetoptions)
    if types not in function.overloads:
        try:
            function.compile(types)
        except Exception as error:
            raise refuse.not_compiled(path, text, error) from error
    compiled = function.overloads[types]
    refuse.check_result(path, compiled.signature.return_type)
    return compiled


def machine():
    """LLVM's WebAssembly target."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(TRIPLE)
    return target.create_target_machine(
        cpu="generic", features=FEATURES, opt=SPEED, reloc="static", codemodel="default"
    )


def object_file(exports: dict) -> tuple[bytes, Origins]:
    """The object file of `exports`: for each name (path, compiled function, its arguments)."""
    target = machine()
    module = linked(exports, target)
    paths = {name: path.replace(":", ".") for name, (path, _, _) in exports.items()}
    origins = Origins(str(module), paths)
    optimize(module, target)
    refuse.check_code(module, origins)
    if WIDE.search(str(module)):
        module.link_in(retargeted(support.MULTIPLY_IR, target))
    return target.emit_object(module), origins


def linked(exports: dict, target):
    """One module of all code, not yet optimized."""
    module = None
    for name, (_, compiled, arguments) in exports.items():
        code = REFERENCE_COUNT.sub("", compiled.library.get_llvm_str())
        for text in (code, entry.entry_ir(name, compiled, arguments)):
            part = retargeted(text, target)
            if module is None:
                module = part
            else:
                module.link_in(part)
    return module


def retargeted(text: str, target):
    """The module of an LLVM text, for WebAssembly instead of the processor it was made for."""
    module = llvm.parse_assembly(text)
    module.triple = TRIPLE
    module.data_layout = str(target.target_data)
    return module


def optimize(module, target) -> None:
    """Make everything internal but the entries, optimize, and drop what is then not used."""
    for function in module.functions:
        if not function.is_declaration and not function.name.startswith(entry.ENTRY):
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    tuning = llvm.create_pipeline_tuning_options(speed_level=SPEED)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    passes = llvm.create_pass_builder(target, tuning).getModulePassManager()
    passes.run(module, llvm.create_pass_builder(target, tuning))
    # That a function never raises is often only seen now; its callers need not ask then.
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_dead_arg_elimination_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_constant_merge_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, llvm.create_pass_builder(target, tuning))
