"""What each instruction weighs, and how complex it counts. Source: facts on instruction weights."""

from typing import Final


def _words(text: str) -> list[str]:
    return text.split()


NUMERIC: Final = _words(
    "i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u i64.eqz "
    "i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u f32.eq f32.ne f32.lt "
    "f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge i32.clz i32.ctz i32.popcnt i32.add i32.sub "
    "i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u "
    "i32.rotl i32.rotr i64.clz i64.ctz i64.popcnt i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s "
    "i64.rem_u i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr f32.abs f32.neg f32.ceil "
    "f32.floor f32.trunc f32.nearest f32.sqrt f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign "
    "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt f64.add f64.sub f64.mul f64.div f64.min "
    "f64.max f64.copysign i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u "
    "i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u "
    "f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64 f64.convert_i32_s "
    "f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32 i32.reinterpret_f32 "
    "i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64 i32.extend8_s i32.extend16_s i64.extend8_s "
    "i64.extend16_s i64.extend32_s"
)
"""The instructions with opcodes 0x45 to 0xC4."""

MEMORY: Final = _words(
    "i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u i64.load8_s "
    "i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u i32.store i64.store f32.store f64.store "
    "i32.store8 i32.store16 i64.store8 i64.store16 i64.store32"
)
"""The instructions with opcodes 0x28 to 0x3E."""

OPCODES: Final[dict[str, int]] = {
    "unreachable": 0x00,
    "nop": 0x01,
    "block": 0x02,
    "loop": 0x03,
    "if": 0x04,
    "else": 0x05,
    "end": 0x0B,
    "br": 0x0C,
    "br_if": 0x0D,
    "br_table": 0x0E,
    "return": 0x0F,
    "call": 0x10,
    "call_indirect": 0x11,
    "return_call": 0x12,
    "return_call_indirect": 0x13,
    "drop": 0x1A,
    "select": 0x1B,
    "select_typed": 0x1C,
    "local.get": 0x20,
    "local.set": 0x21,
    "local.tee": 0x22,
    "global.get": 0x23,
    "global.set": 0x24,
    "table.get": 0x25,
    "table.set": 0x26,
    "memory.size": 0x3F,
    "memory.grow": 0x40,
    "i32.const": 0x41,
    "i64.const": 0x42,
    "f32.const": 0x43,
    "f64.const": 0x44,
    "ref.null": 0xD0,
    "ref.is_null": 0xD1,
    "ref.func": 0xD2,
    **{instruction: 0x28 + index for index, instruction in enumerate(MEMORY)},
    **{instruction: 0x45 + index for index, instruction in enumerate(NUMERIC)},
}
"""Instructions of one byte."""

BULK: Final = _words(
    "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u i64.trunc_sat_f32_s "
    "i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u memory.init data.drop memory.copy memory.fill "
    "table.init elem.drop table.copy table.grow table.size table.fill"
)
"""The instructions with prefix 0xFC, by their second number."""

VECTOR: Final[dict[str, int]] = {
    **{
        instruction: index
        for index, instruction in enumerate(
            _words(
                "v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s "
                "v128.load32x2_u v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat "
                "v128.store v128.const i8x16.shuffle i8x16.swizzle i8x16.splat i16x8.splat i32x4.splat "
                "i64x2.splat f32x4.splat f64x2.splat i8x16.extract_lane_s i8x16.extract_lane_u "
                "i8x16.replace_lane i16x8.extract_lane_s i16x8.extract_lane_u i16x8.replace_lane "
                "i32x4.extract_lane i32x4.replace_lane i64x2.extract_lane i64x2.replace_lane f32x4.extract_lane "
                "f32x4.replace_lane f64x2.extract_lane f64x2.replace_lane i8x16.eq i8x16.ne i8x16.lt_s "
                "i8x16.lt_u i8x16.gt_s i8x16.gt_u i8x16.le_s i8x16.le_u i8x16.ge_s i8x16.ge_u i16x8.eq i16x8.ne "
                "i16x8.lt_s i16x8.lt_u i16x8.gt_s i16x8.gt_u i16x8.le_s i16x8.le_u i16x8.ge_s i16x8.ge_u "
                "i32x4.eq i32x4.ne i32x4.lt_s i32x4.lt_u i32x4.gt_s i32x4.gt_u i32x4.le_s i32x4.le_u i32x4.ge_s "
                "i32x4.ge_u f32x4.eq f32x4.ne f32x4.lt f32x4.gt f32x4.le f32x4.ge f64x2.eq f64x2.ne f64x2.lt "
                "f64x2.gt f64x2.le f64x2.ge v128.not v128.and v128.andnot v128.or v128.xor v128.bitselect "
                "v128.any_true v128.load8_lane v128.load16_lane v128.load32_lane v128.load64_lane "
                "v128.store8_lane v128.store16_lane v128.store32_lane v128.store64_lane v128.load32_zero "
                "v128.load64_zero"
            )
        )
    },
    "i8x16.popcnt": 98,
    "i8x16.shl": 107,
    "i8x16.shr_s": 108,
    "i8x16.shr_u": 109,
    "f32x4.ceil": 103,
    "f32x4.floor": 104,
    "f32x4.trunc": 105,
    "f32x4.nearest": 106,
    "f64x2.ceil": 116,
    "f64x2.floor": 117,
    "f64x2.trunc": 122,
    "f64x2.nearest": 148,
    "i16x8.extadd_pairwise_i8x16_u": 125,
    "i32x4.extadd_pairwise_i16x8_u": 127,
    "i16x8.shl": 139,
    "i16x8.shr_s": 140,
    "i16x8.shr_u": 141,
    "i16x8.extmul_high_i8x16_s": 157,
    "i16x8.extmul_high_i8x16_u": 159,
    "i32x4.shl": 171,
    "i32x4.shr_s": 172,
    "i32x4.shr_u": 173,
    "i32x4.mul": 181,
    "i32x4.extmul_low_i16x8_s": 188,
    "i32x4.extmul_high_i16x8_s": 189,
    "i32x4.extmul_low_i16x8_u": 190,
    "i32x4.extmul_high_i16x8_u": 191,
    "i64x2.shl": 203,
    "i64x2.shr_s": 204,
    "i64x2.shr_u": 205,
    "i64x2.mul": 213,
    "f32x4.abs": 224,
    "f32x4.neg": 225,
    "f32x4.sqrt": 227,
    "f32x4.add": 228,
    "f32x4.sub": 229,
    "f32x4.mul": 230,
    "f32x4.div": 231,
    "f32x4.min": 232,
    "f32x4.max": 233,
    "f64x2.abs": 236,
    "f64x2.neg": 237,
    "f64x2.sqrt": 239,
    "f64x2.add": 240,
    "f64x2.sub": 241,
    "f64x2.mul": 242,
    "f64x2.div": 243,
    "f64x2.min": 244,
    "f64x2.max": 245,
    "i32x4.trunc_sat_f32x4_s": 248,
    "i32x4.trunc_sat_f32x4_u": 249,
    "f32x4.convert_i32x4_u": 251,
    "i32x4.trunc_sat_f64x2_s_zero": 252,
    "i32x4.trunc_sat_f64x2_u_zero": 253,
}
"""The instructions with prefix 0xFD that access memory or weigh more than 1, by their second number."""

_BY_WEIGHT: Final[dict[int, str]] = {
    0: "block loop else end",
    2: "if br br_if br_table global.get global.set f32.add f32.sub f32.mul f32.ceil f32.floor f32.trunc f32.nearest "
    "f32.copysign f64.add f64.sub f64.mul f64.ceil f64.floor f64.trunc f64.nearest i8x16.gt_u i8x16.lt_u "
    "i8x16.shr_u i16x8.extadd_pairwise_i8x16_u i16x8.extmul_high_i8x16_s i16x8.extmul_high_i8x16_u i16x8.gt_u "
    "i16x8.lt_u i16x8.shl i16x8.shr_s i16x8.shr_u i32x4.extmul_high_i16x8_s i32x4.extmul_high_i16x8_u "
    "i32x4.extmul_low_i16x8_s i32x4.extmul_low_i16x8_u i32x4.gt_u i32x4.lt_u i32x4.mul i32x4.shl i32x4.shr_s "
    "i32x4.shr_u i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f64x2_s_zero i64x2.shl i64x2.shr_u f32x4.abs f32x4.add "
    "f32x4.ceil f32x4.floor f32x4.mul f32x4.nearest f32x4.neg f32x4.sub f32x4.trunc "
    "f64x2.abs f64x2.add f64x2.ceil f64x2.floor f64x2.mul f64x2.nearest f64x2.neg f64x2.sub f64x2.trunc",
    3: "return_call f32.convert_i32_s f32.convert_i64_s f64.convert_i32_s f64.convert_i64_s f32.div f64.copysign "
    "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge i8x16.popcnt i8x16.shl "
    "i8x16.shr_s i8x16.shuffle i32x4.extadd_pairwise_i16x8_u i32x4.trunc_sat_f64x2_u_zero "
    "i64x2.shr_s",
    4: "i32x4.trunc_sat_f32x4_u i64x2.mul f32x4.convert_i32x4_u f32x4.max f32x4.min f64x2.min",
    5: "call ref.is_null table.get table.set f32.sqrt f64.div f32x4.sqrt f64x2.max",
    8: "f64.sqrt",
    10: "call_indirect i32.div_s i32.div_u i32.rem_s i32.rem_u i64.div_s i64.div_u i64.rem_s i64.rem_u f32x4.div",
    12: "f64x2.div",
    14: "f64x2.sqrt",
    16: "f32.convert_i32_u f32.convert_i64_u f64.convert_i32_u f64.convert_i64_u",
    18: "f32.min f32.max f64.min f64.max",
    20: "memory.size i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u i64.trunc_f32_s i64.trunc_f32_u "
    "i64.trunc_f64_s i64.trunc_f64_u i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s "
    "i32.trunc_sat_f64_u "
    "i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u",
    60: "return_call_indirect",
    100: "table.copy table.fill table.init table.size memory.copy memory.fill memory.init",
    130: "ref.func",
    300: "table.grow elem.drop memory.grow data.drop",
}
"""Instructions that are not named here weigh 1, in every module."""

_WEIGHTS: Final[dict[str, int]] = {
    instruction: weight for weight, instructions in _BY_WEIGHT.items() for instruction in instructions.split()
}

VECTOR_MEMORY: Final = frozenset((*range(12), *range(84, 94)))
"""The second numbers of the vector loads and stores."""

LIGHTEST_64_BIT_ACCESS: Final = 2
"""Every load and store weighs this in a module with a 64-bit memory, and 1 in others."""


def weight(instruction: str, is_64_bit: bool) -> int:
    """What the instruction adds to its segment, in a module whose memory 0 has 64-bit addresses or not."""
    is_access = instruction in MEMORY or VECTOR.get(instruction, -1) in VECTOR_MEMORY
    if is_access:
        return LIGHTEST_64_BIT_ACCESS if is_64_bit else 1
    return _WEIGHTS.get(instruction, 1)


def weights_of_bytes(is_64_bit: bool) -> list[int]:
    """The weights of the instructions of one byte, by that byte; 0 for the two prefixes."""
    table = [0] * 256
    for instruction, opcode in OPCODES.items():
        table[opcode] = weight(instruction, is_64_bit)
    return table


def weights_of_bulk(is_64_bit: bool) -> list[int]:
    """The weights of the instructions with prefix 0xFC, by their second number."""
    return [weight(instruction, is_64_bit) for instruction in BULK]


def weights_of_vectors(is_64_bit: bool) -> list[int]:
    """The weights of the instructions with prefix 0xFD, by their second number."""
    table = [1] * 256
    for instruction, number in VECTOR.items():
        table[number] = weight(instruction, is_64_bit)
    return table


_BY_COMPLEXITY: Final[dict[int, str]] = {
    50: "block loop if br br_if br_table call call_indirect memory.grow",
    14: "table.get",
    8: "ref.func",
    6: "ref.is_null",
    5: "i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u i64.trunc_f32_s i64.trunc_f32_u "
    "i64.trunc_f64_s i64.trunc_f64_u i64.extend_i32_s i64.extend_i32_u f32.convert_i32_s f32.convert_i32_u "
    "f32.convert_i64_s f32.convert_i64_u f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s "
    "f64.convert_i64_u "
    "f32.demote_f64",
    4: "f32.neg f32.abs f64.neg f64.abs memory.copy",
    3: "f32.copysign f64.copysign f64.eq i32.div_s i32.div_u i32.rem_s i32.rem_u i64.div_s i64.div_u i64.rem_s "
    "i64.rem_u memory.fill i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.trunc_sat_f64_s i32.trunc_sat_f64_u "
    "i64.trunc_sat_f32_s i64.trunc_sat_f32_u i64.trunc_sat_f64_s i64.trunc_sat_f64_u " + " ".join(MEMORY[:14]),
    2: "global.get i32.popcnt i64.popcnt select memory.size i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u "
    "i32.le_s i32.le_u i32.ge_s i32.ge_u i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s "
    "i64.le_u i64.ge_s i64.ge_u f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.ne f64.lt f64.gt f64.le f64.ge "
    "f32.ceil f32.floor f32.sqrt f32.trunc f64.ceil f64.floor f64.sqrt f64.trunc i32.reinterpret_f32 "
    "i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64 i32.wrap_i64 i32.extend8_s i32.extend16_s "
    "i64.extend8_s i64.extend16_s "
    "i64.extend32_s f64.promote_f32 " + " ".join(MEMORY[14:]),
}

_COMPLEXITIES: Final[dict[str, int]] = {
    instruction: points for points, instructions in _BY_COMPLEXITY.items() for instruction in instructions.split()
}

COMPLEXITY_OF_BYTES: Final = bytes(
    {opcode: _COMPLEXITIES.get(instruction, 1) for instruction, opcode in OPCODES.items()}.get(byte, 0)
    for byte in range(256)
)
"""The complexity points of the instructions of one byte; 0 for the two prefixes."""

COMPLEXITY_OF_BULK: Final = [_COMPLEXITIES.get(instruction, 1) for instruction in BULK]
"""The complexity points of the instructions with prefix 0xFC."""

COMPLEXITY_OF_VECTORS: Final = 1
"""The complexity points of every instruction with prefix 0xFD."""
