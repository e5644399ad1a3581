"""What does the compiler expect to be there, that a page does not have?

WebAssembly has no 64-bit multiplication with a 128-bit result; LLVM calls a function for it. It is
given here in LLVM's language, by 32-bit halves as on paper.
"""

MULTIPLY = "__multi3"

MULTIPLY_IR = f"""
define void @{MULTIPLY}(ptr %product, i64 %a, i64 %a_high, i64 %b, i64 %b_high) noinline nounwind {{
  %a0 = and i64 %a, 4294967295
  %a1 = lshr i64 %a, 32
  %b0 = and i64 %b, 4294967295
  %b1 = lshr i64 %b, 32
  %low = mul i64 %a0, %b0
  %carry0 = lshr i64 %low, 32
  %cross0 = mul i64 %a1, %b0
  %sum0 = add i64 %cross0, %carry0
  %sum0_low = and i64 %sum0, 4294967295
  %sum0_high = lshr i64 %sum0, 32
  %cross1 = mul i64 %a0, %b1
  %sum1 = add i64 %cross1, %sum0_low
  %sum1_high = lshr i64 %sum1, 32
  %top = mul i64 %a1, %b1
  %high0 = add i64 %top, %sum0_high
  %high1 = add i64 %high0, %sum1_high
  %outer0 = mul i64 %a_high, %b
  %outer1 = mul i64 %a, %b_high
  %high2 = add i64 %high1, %outer0
  %high = add i64 %high2, %outer1
  %word0 = mul i64 %a, %b
  store i64 %word0, ptr %product
  %second = getelementptr i8, ptr %product, i32 8
  store i64 %high, ptr %second
  ret void
}}
"""
