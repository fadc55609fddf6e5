"""
The rows of the table of instructions for fixed-width SIMD: prefix fd, then the number of the instruction in LEB128.

The columns are those of `opcodes`. Relaxed SIMD, with numbers from 100 (hexadecimal) on, is not accepted. Source: core
specification, index of instructions.
"""

from typing import Final

LOADS_AND_STORE: Final = """
fd00   v128.load                       memarg      | address -> v128
fd01   v128.load8x8_s                  memarg      | address -> v128
fd02   v128.load8x8_u                  memarg      | address -> v128
fd03   v128.load16x4_s                 memarg      | address -> v128
fd04   v128.load16x4_u                 memarg      | address -> v128
fd05   v128.load32x2_s                 memarg      | address -> v128
fd06   v128.load32x2_u                 memarg      | address -> v128
fd07   v128.load8_splat                memarg      | address -> v128
fd08   v128.load16_splat               memarg      | address -> v128
fd09   v128.load32_splat               memarg      | address -> v128
fd0a   v128.load64_splat               memarg      | address -> v128
fd0b   v128.store                      memarg      | address v128 ->
"""

CONSTANTS_AND_LANES: Final = """
fd0c   v128.const                      v128        | -> v128
fd0d   i8x16.shuffle                   lanes       | v128 v128 -> v128
fd0e   i8x16.swizzle                   -           | v128 v128 -> v128
fd0f   i8x16.splat                     -           | i32 -> v128
fd10   i16x8.splat                     -           | i32 -> v128
fd11   i32x4.splat                     -           | i32 -> v128
fd12   i64x2.splat                     -           | i64 -> v128
fd13   f32x4.splat                     -           | f32 -> v128
fd14   f64x2.splat                     -           | f64 -> v128
fd15   i8x16.extract_lane_s            lane        | v128 -> i32
fd16   i8x16.extract_lane_u            lane        | v128 -> i32
fd17   i8x16.replace_lane              lane        | v128 i32 -> v128
fd18   i16x8.extract_lane_s            lane        | v128 -> i32
fd19   i16x8.extract_lane_u            lane        | v128 -> i32
fd1a   i16x8.replace_lane              lane        | v128 i32 -> v128
fd1b   i32x4.extract_lane              lane        | v128 -> i32
fd1c   i32x4.replace_lane              lane        | v128 i32 -> v128
fd1d   i64x2.extract_lane              lane        | v128 -> i64
fd1e   i64x2.replace_lane              lane        | v128 i64 -> v128
fd1f   f32x4.extract_lane              lane        | v128 -> f32
fd20   f32x4.replace_lane              lane        | v128 f32 -> v128
fd21   f64x2.extract_lane              lane        | v128 -> f64
fd22   f64x2.replace_lane              lane        | v128 f64 -> v128
"""

COMPARISONS: Final = """
fd23   i8x16.eq                        -           | v128 v128 -> v128
fd24   i8x16.ne                        -           | v128 v128 -> v128
fd25   i8x16.lt_s                      -           | v128 v128 -> v128
fd26   i8x16.lt_u                      -           | v128 v128 -> v128
fd27   i8x16.gt_s                      -           | v128 v128 -> v128
fd28   i8x16.gt_u                      -           | v128 v128 -> v128
fd29   i8x16.le_s                      -           | v128 v128 -> v128
fd2a   i8x16.le_u                      -           | v128 v128 -> v128
fd2b   i8x16.ge_s                      -           | v128 v128 -> v128
fd2c   i8x16.ge_u                      -           | v128 v128 -> v128
fd2d   i16x8.eq                        -           | v128 v128 -> v128
fd2e   i16x8.ne                        -           | v128 v128 -> v128
fd2f   i16x8.lt_s                      -           | v128 v128 -> v128
fd30   i16x8.lt_u                      -           | v128 v128 -> v128
fd31   i16x8.gt_s                      -           | v128 v128 -> v128
fd32   i16x8.gt_u                      -           | v128 v128 -> v128
fd33   i16x8.le_s                      -           | v128 v128 -> v128
fd34   i16x8.le_u                      -           | v128 v128 -> v128
fd35   i16x8.ge_s                      -           | v128 v128 -> v128
fd36   i16x8.ge_u                      -           | v128 v128 -> v128
fd37   i32x4.eq                        -           | v128 v128 -> v128
fd38   i32x4.ne                        -           | v128 v128 -> v128
fd39   i32x4.lt_s                      -           | v128 v128 -> v128
fd3a   i32x4.lt_u                      -           | v128 v128 -> v128
fd3b   i32x4.gt_s                      -           | v128 v128 -> v128
fd3c   i32x4.gt_u                      -           | v128 v128 -> v128
fd3d   i32x4.le_s                      -           | v128 v128 -> v128
fd3e   i32x4.le_u                      -           | v128 v128 -> v128
fd3f   i32x4.ge_s                      -           | v128 v128 -> v128
fd40   i32x4.ge_u                      -           | v128 v128 -> v128
fd41   f32x4.eq                        -           | v128 v128 -> v128
fd42   f32x4.ne                        -           | v128 v128 -> v128
fd43   f32x4.lt                        -           | v128 v128 -> v128
fd44   f32x4.gt                        -           | v128 v128 -> v128
fd45   f32x4.le                        -           | v128 v128 -> v128
fd46   f32x4.ge                        -           | v128 v128 -> v128
fd47   f64x2.eq                        -           | v128 v128 -> v128
fd48   f64x2.ne                        -           | v128 v128 -> v128
fd49   f64x2.lt                        -           | v128 v128 -> v128
fd4a   f64x2.gt                        -           | v128 v128 -> v128
fd4b   f64x2.le                        -           | v128 v128 -> v128
fd4c   f64x2.ge                        -           | v128 v128 -> v128
"""

BITS_AND_LANES_IN_MEMORY: Final = """
fd4d   v128.not                        -           | v128 -> v128
fd4e   v128.and                        -           | v128 v128 -> v128
fd4f   v128.andnot                     -           | v128 v128 -> v128
fd50   v128.or                         -           | v128 v128 -> v128
fd51   v128.xor                        -           | v128 v128 -> v128
fd52   v128.bitselect                  -           | v128 v128 v128 -> v128
fd53   v128.any_true                   -           | v128 -> i32
fd54   v128.load8_lane                 memarg,lane | address v128 -> v128
fd55   v128.load16_lane                memarg,lane | address v128 -> v128
fd56   v128.load32_lane                memarg,lane | address v128 -> v128
fd57   v128.load64_lane                memarg,lane | address v128 -> v128
fd58   v128.store8_lane                memarg,lane | address v128 ->
fd59   v128.store16_lane               memarg,lane | address v128 ->
fd5a   v128.store32_lane               memarg,lane | address v128 ->
fd5b   v128.store64_lane               memarg,lane | address v128 ->
fd5c   v128.load32_zero                memarg      | address -> v128
fd5d   v128.load64_zero                memarg      | address -> v128
"""

NUMERIC: Final = """
fd5e   f32x4.demote_f64x2_zero         -           | v128 -> v128
fd5f   f64x2.promote_low_f32x4         -           | v128 -> v128
fd60   i8x16.abs                       -           | v128 -> v128
fd61   i8x16.neg                       -           | v128 -> v128
fd62   i8x16.popcnt                    -           | v128 -> v128
fd63   i8x16.all_true                  -           | v128 -> i32
fd64   i8x16.bitmask                   -           | v128 -> i32
fd65   i8x16.narrow_i16x8_s            -           | v128 v128 -> v128
fd66   i8x16.narrow_i16x8_u            -           | v128 v128 -> v128
fd67   f32x4.ceil                      -           | v128 -> v128
fd68   f32x4.floor                     -           | v128 -> v128
fd69   f32x4.trunc                     -           | v128 -> v128
fd6a   f32x4.nearest                   -           | v128 -> v128
fd6b   i8x16.shl                       -           | v128 i32 -> v128
fd6c   i8x16.shr_s                     -           | v128 i32 -> v128
fd6d   i8x16.shr_u                     -           | v128 i32 -> v128
fd6e   i8x16.add                       -           | v128 v128 -> v128
fd6f   i8x16.add_sat_s                 -           | v128 v128 -> v128
fd70   i8x16.add_sat_u                 -           | v128 v128 -> v128
fd71   i8x16.sub                       -           | v128 v128 -> v128
fd72   i8x16.sub_sat_s                 -           | v128 v128 -> v128
fd73   i8x16.sub_sat_u                 -           | v128 v128 -> v128
fd74   f64x2.ceil                      -           | v128 -> v128
fd75   f64x2.floor                     -           | v128 -> v128
fd76   i8x16.min_s                     -           | v128 v128 -> v128
fd77   i8x16.min_u                     -           | v128 v128 -> v128
fd78   i8x16.max_s                     -           | v128 v128 -> v128
fd79   i8x16.max_u                     -           | v128 v128 -> v128
fd7a   f64x2.trunc                     -           | v128 -> v128
fd7b   i8x16.avgr_u                    -           | v128 v128 -> v128
fd7c   i16x8.extadd_pairwise_i8x16_s   -           | v128 -> v128
fd7d   i16x8.extadd_pairwise_i8x16_u   -           | v128 -> v128
fd7e   i32x4.extadd_pairwise_i16x8_s   -           | v128 -> v128
fd7f   i32x4.extadd_pairwise_i16x8_u   -           | v128 -> v128
fd8001 i16x8.abs                       -           | v128 -> v128
fd8101 i16x8.neg                       -           | v128 -> v128
fd8201 i16x8.q15mulr_sat_s             -           | v128 v128 -> v128
fd8301 i16x8.all_true                  -           | v128 -> i32
fd8401 i16x8.bitmask                   -           | v128 -> i32
fd8501 i16x8.narrow_i32x4_s            -           | v128 v128 -> v128
fd8601 i16x8.narrow_i32x4_u            -           | v128 v128 -> v128
fd8701 i16x8.extend_low_i8x16_s        -           | v128 -> v128
fd8801 i16x8.extend_high_i8x16_s       -           | v128 -> v128
fd8901 i16x8.extend_low_i8x16_u        -           | v128 -> v128
fd8a01 i16x8.extend_high_i8x16_u       -           | v128 -> v128
fd8b01 i16x8.shl                       -           | v128 i32 -> v128
fd8c01 i16x8.shr_s                     -           | v128 i32 -> v128
fd8d01 i16x8.shr_u                     -           | v128 i32 -> v128
fd8e01 i16x8.add                       -           | v128 v128 -> v128
fd8f01 i16x8.add_sat_s                 -           | v128 v128 -> v128
fd9001 i16x8.add_sat_u                 -           | v128 v128 -> v128
fd9101 i16x8.sub                       -           | v128 v128 -> v128
fd9201 i16x8.sub_sat_s                 -           | v128 v128 -> v128
fd9301 i16x8.sub_sat_u                 -           | v128 v128 -> v128
fd9401 f64x2.nearest                   -           | v128 -> v128
fd9501 i16x8.mul                       -           | v128 v128 -> v128
fd9601 i16x8.min_s                     -           | v128 v128 -> v128
fd9701 i16x8.min_u                     -           | v128 v128 -> v128
fd9801 i16x8.max_s                     -           | v128 v128 -> v128
fd9901 i16x8.max_u                     -           | v128 v128 -> v128
fd9b01 i16x8.avgr_u                    -           | v128 v128 -> v128
fd9c01 i16x8.extmul_low_i8x16_s        -           | v128 v128 -> v128
fd9d01 i16x8.extmul_high_i8x16_s       -           | v128 v128 -> v128
fd9e01 i16x8.extmul_low_i8x16_u        -           | v128 v128 -> v128
fd9f01 i16x8.extmul_high_i8x16_u       -           | v128 v128 -> v128
fda001 i32x4.abs                       -           | v128 -> v128
fda101 i32x4.neg                       -           | v128 -> v128
fda301 i32x4.all_true                  -           | v128 -> i32
fda401 i32x4.bitmask                   -           | v128 -> i32
fda701 i32x4.extend_low_i16x8_s        -           | v128 -> v128
fda801 i32x4.extend_high_i16x8_s       -           | v128 -> v128
fda901 i32x4.extend_low_i16x8_u        -           | v128 -> v128
fdaa01 i32x4.extend_high_i16x8_u       -           | v128 -> v128
fdab01 i32x4.shl                       -           | v128 i32 -> v128
fdac01 i32x4.shr_s                     -           | v128 i32 -> v128
fdad01 i32x4.shr_u                     -           | v128 i32 -> v128
fdae01 i32x4.add                       -           | v128 v128 -> v128
fdb101 i32x4.sub                       -           | v128 v128 -> v128
fdb501 i32x4.mul                       -           | v128 v128 -> v128
fdb601 i32x4.min_s                     -           | v128 v128 -> v128
fdb701 i32x4.min_u                     -           | v128 v128 -> v128
fdb801 i32x4.max_s                     -           | v128 v128 -> v128
fdb901 i32x4.max_u                     -           | v128 v128 -> v128
fdba01 i32x4.dot_i16x8_s               -           | v128 v128 -> v128
fdbc01 i32x4.extmul_low_i16x8_s        -           | v128 v128 -> v128
fdbd01 i32x4.extmul_high_i16x8_s       -           | v128 v128 -> v128
fdbe01 i32x4.extmul_low_i16x8_u        -           | v128 v128 -> v128
fdbf01 i32x4.extmul_high_i16x8_u       -           | v128 v128 -> v128
fdc001 i64x2.abs                       -           | v128 -> v128
fdc101 i64x2.neg                       -           | v128 -> v128
fdc301 i64x2.all_true                  -           | v128 -> i32
fdc401 i64x2.bitmask                   -           | v128 -> i32
fdc701 i64x2.extend_low_i32x4_s        -           | v128 -> v128
fdc801 i64x2.extend_high_i32x4_s       -           | v128 -> v128
fdc901 i64x2.extend_low_i32x4_u        -           | v128 -> v128
fdca01 i64x2.extend_high_i32x4_u       -           | v128 -> v128
fdcb01 i64x2.shl                       -           | v128 i32 -> v128
fdcc01 i64x2.shr_s                     -           | v128 i32 -> v128
fdcd01 i64x2.shr_u                     -           | v128 i32 -> v128
fdce01 i64x2.add                       -           | v128 v128 -> v128
fdd101 i64x2.sub                       -           | v128 v128 -> v128
fdd501 i64x2.mul                       -           | v128 v128 -> v128
fdd601 i64x2.eq                        -           | v128 v128 -> v128
fdd701 i64x2.ne                        -           | v128 v128 -> v128
fdd801 i64x2.lt_s                      -           | v128 v128 -> v128
fdd901 i64x2.gt_s                      -           | v128 v128 -> v128
fdda01 i64x2.le_s                      -           | v128 v128 -> v128
fddb01 i64x2.ge_s                      -           | v128 v128 -> v128
fddc01 i64x2.extmul_low_i32x4_s        -           | v128 v128 -> v128
fddd01 i64x2.extmul_high_i32x4_s       -           | v128 v128 -> v128
fdde01 i64x2.extmul_low_i32x4_u        -           | v128 v128 -> v128
fddf01 i64x2.extmul_high_i32x4_u       -           | v128 v128 -> v128
fde001 f32x4.abs                       -           | v128 -> v128
fde101 f32x4.neg                       -           | v128 -> v128
fde301 f32x4.sqrt                      -           | v128 -> v128
fde401 f32x4.add                       -           | v128 v128 -> v128
fde501 f32x4.sub                       -           | v128 v128 -> v128
fde601 f32x4.mul                       -           | v128 v128 -> v128
fde701 f32x4.div                       -           | v128 v128 -> v128
fde801 f32x4.min                       -           | v128 v128 -> v128
fde901 f32x4.max                       -           | v128 v128 -> v128
fdea01 f32x4.pmin                      -           | v128 v128 -> v128
fdeb01 f32x4.pmax                      -           | v128 v128 -> v128
fdec01 f64x2.abs                       -           | v128 -> v128
fded01 f64x2.neg                       -           | v128 -> v128
fdef01 f64x2.sqrt                      -           | v128 -> v128
fdf001 f64x2.add                       -           | v128 v128 -> v128
fdf101 f64x2.sub                       -           | v128 v128 -> v128
fdf201 f64x2.mul                       -           | v128 v128 -> v128
fdf301 f64x2.div                       -           | v128 v128 -> v128
fdf401 f64x2.min                       -           | v128 v128 -> v128
fdf501 f64x2.max                       -           | v128 v128 -> v128
fdf601 f64x2.pmin                      -           | v128 v128 -> v128
fdf701 f64x2.pmax                      -           | v128 v128 -> v128
fdf801 i32x4.trunc_sat_f32x4_s         -           | v128 -> v128
fdf901 i32x4.trunc_sat_f32x4_u         -           | v128 -> v128
fdfa01 f32x4.convert_i32x4_s           -           | v128 -> v128
fdfb01 f32x4.convert_i32x4_u           -           | v128 -> v128
fdfc01 i32x4.trunc_sat_f64x2_s_zero    -           | v128 -> v128
fdfd01 i32x4.trunc_sat_f64x2_u_zero    -           | v128 -> v128
fdfe01 f64x2.convert_low_i32x4_s       -           | v128 -> v128
fdff01 f64x2.convert_low_i32x4_u       -           | v128 -> v128
"""

VECTOR_INSTRUCTIONS: Final = (LOADS_AND_STORE, CONSTANTS_AND_LANES, COMPARISONS, BITS_AND_LANES_IN_MEMORY, NUMERIC)
"""All rows, in the order of their numbers."""
