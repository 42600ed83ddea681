//! x86 in its 16-bit, 32-bit and 64-bit modes.
//!
//! Model: `iced-x86` decodes; the mnemonic says how QEMU accesses a memory operand. Only listed
//! mnemonics are promised anything, and never with a LOCK prefix.
//!
//! - Plain integer instructions complete unless they divide. Divisions of registers and jumps to
//!   other addresses than those in memory access none. A memory operand is loaded, stored,
//!   or loaded and then stored with QEMU's plain accesses; a shift by zero and a conditional move
//!   that does not move access memory all the same. `xchg` with memory is always atomic.
//! - `push`, `pop` and `leave` of registers are one access; with a memory operand two.
//! - x87, MMX, SSE and AVX arithmetic does not trap: QEMU decides `#UD` and `#NM` at translation,
//!   never raises `#XM`, and raises `#MF` at `wait` only (`fnop` counts as one).
//! - A vector access of up to 8 bytes is one access. One of 16 bytes is one since QEMU has
//!   accesses of 128 bits; 7.2 also loads 16 bytes for some scalar operands
//!   (`ucomiss`, `cvtss2sd`). 80-bit and 256-bit ones are always several.
//!
//! What may change a translation: everything that is not known to be harmless. So writes of control
//! registers and MSRs, TLB maintenance and virtualization count, and outside 64-bit mode what may
//! switch tasks and with that CR3: far calls and jumps, `iret`, interrupts. Port I/O acts on every
//! vCPU, since a device may remap memory (PAM, SMRAM, A20). What only changes the privilege (system
//! calls, in 64-bit mode also the above), the permissions (`stac`, `wrpkru`), the interrupts that
//! come (`sti`, `popf`, CR8) or segments and descriptor tables does not count: the MMU index tells
//! supervisor from user accesses, and a segment's base is part of the virtual address.
//!
//! The mode: the plugin cannot ask QEMU for it. A mode is possible for a block if it decodes each
//! instruction to the length that QEMU found, and only 64-bit mode has addresses above 4 GiB.
//! Where several modes remain, the answer is what holds in all of them.
//!
//! An instruction that extends into another page than its block is left to the next block. QEMU
//! 7.2 takes it back only after having announced it to the plugin, cut off at some byte and last
//! in the block, where it never executes. So the instruction before one that may be such a
//! leftover promises nothing, and the leftover has no say in the mode.
//!
//! Sources: *Intel 64 and IA-32 Architectures Software Developer's Manual*, volume 2; *AMD64
//! Architecture Programmer's Manual*, volumes 2 and 3; QEMU `target/i386/tcg/{translate.c,
//! decode-new.c.inc,emit.c.inc,seg_helper.c}`, `helper.c` and `cpu.c` of 7.2, 10.0 and 10.2.

use iced_x86::{CodeSize, DecoderOptions, EncodingKind, Instruction, Mnemonic, OpKind, Register};

use crate::Completion::{Always, LoadThenStore, NoAccess, OneAccess, Unknown};
use crate::{Completion, Decoder, Effects, Emulator, Guest, TranslationEffect};

/// The decoder of a 64-bit x86 processor.
pub fn x86_64(emulator: Emulator) -> Box<dyn Decoder> {
    let modes = match emulator.guest {
        Guest::Program => X86Modes::BITS64,
        Guest::Machine => X86Modes::ALL,
    };
    Box::new(X86::new(modes, emulator))
}

/// The decoder of a 32-bit x86 processor.
pub fn i386(emulator: Emulator) -> Box<dyn Decoder> {
    Box::new(X86::new(X86Modes::BITS16.with(X86Modes::BITS32), emulator))
}

#[derive(Debug)]
struct X86 {
    possible: X86Modes,
    in_block: X86Modes,
    emulator: Emulator,
    /// Of the next instruction to classify.
    position: usize,
    /// The position of an instruction that QEMU may have announced without translating it.
    undecided_at: Option<usize>,
}

impl X86 {
    fn new(possible: X86Modes, emulator: Emulator) -> Self {
        Self { possible, in_block: possible, emulator, position: 0, undecided_at: None }
    }
}

impl Decoder for X86 {
    fn begin(&mut self, insns: &mut dyn Iterator<Item = (u64, &[u8])>) {
        (self.in_block, self.undecided_at) = self.possible.of_block(insns);
        self.position = 0;
    }

    fn effects(&mut self, code: &[u8]) -> Effects {
        let mut effects = effects(self.in_block, self.emulator, code);
        self.position += 1;
        if self.undecided_at == Some(self.position) {
            // That this one completes does not mean that the next one starts.
            effects.completion = Unknown;
        }
        effects
    }

    fn x86_mode(&self) -> Option<X86Mode> {
        self.in_block.widest()
    }
}

/// How code is decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum X86Mode {
    /// Real mode, virtual-8086 mode, or protected mode with a 16-bit code segment.
    Bits16,
    /// Protected or compatibility mode with a 32-bit code segment.
    Bits32,
    /// Long mode with a 64-bit code segment.
    Bits64,
}

impl X86Mode {
    const fn bit(self) -> u8 {
        match self {
            Self::Bits16 => 1,
            Self::Bits32 => 2,
            Self::Bits64 => 4,
        }
    }

    /// The width of addresses and code by default, in bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bits16 => 16,
            Self::Bits32 => 32,
            Self::Bits64 => 64,
        }
    }
}

/// The modes that are possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct X86Modes(u8);

impl X86Modes {
    /// 16-bit code only.
    const BITS16: Self = Self(X86Mode::Bits16.bit());
    /// 32-bit code only.
    const BITS32: Self = Self(X86Mode::Bits32.bit());
    /// 64-bit code only.
    const BITS64: Self = Self(X86Mode::Bits64.bit());
    /// Any mode.
    const ALL: Self = Self::BITS16.with(Self::BITS32).with(Self::BITS64);

    /// These and the `other` ones.
    #[must_use]
    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `mode` is possible.
    const fn contains(self, mode: X86Mode) -> bool {
        self.0 & mode.bit() != 0
    }

    /// The widest possible mode, if any is.
    fn widest(self) -> Option<X86Mode> {
        self.iter().next()
    }

    /// From the widest to the narrowest.
    fn iter(self) -> impl Iterator<Item = X86Mode> {
        [X86Mode::Bits64, X86Mode::Bits32, X86Mode::Bits16]
            .into_iter()
            .filter(move |&mode| self.contains(mode))
    }

    /// The modes, of these, that decode each of the block's instructions to its whole length.
    /// Beside them the position of an instruction that may not be in the block after all.
    fn of_block<'a>(
        self,
        insns: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> (Self, Option<usize>) {
        let mut modes = self;
        let mut insns = insns.into_iter().enumerate().peekable();
        while let Some((position, (vaddr, code))) = insns.next() {
            if position > 0 && insns.peek().is_none() && may_leave_page(vaddr) {
                return (modes, Some(position));
            }
            if vaddr > u64::from(u32::MAX) {
                // Outside 64-bit mode linear addresses have 32 bits. There is no need to decode:
                // nothing is promised of what does not decode.
                modes.0 &= Self::BITS64.0;
            } else {
                for mode in modes.iter() {
                    if decode(mode, code).is_none() {
                        modes.0 &= !mode.bit();
                    }
                }
            }
        }
        (modes, None)
    }
}

/// Whether an instruction at `vaddr` may extend into the next page.
fn may_leave_page(vaddr: u64) -> bool {
    const PAGE_SIZE: u64 = 4096;
    const MAX_INSN_SIZE: u64 = 15;
    vaddr % PAGE_SIZE > PAGE_SIZE - MAX_INSN_SIZE
}

/// The instruction, if `code` is one and nothing more.
fn decode(mode: X86Mode, code: &[u8]) -> Option<Instruction> {
    let mut decoder = iced_x86::Decoder::new(mode.bits(), code, DecoderOptions::NONE);
    let insn = decoder.decode();
    (!insn.is_invalid() && insn.len() == code.len()).then_some(insn)
}

fn effects(modes: X86Modes, emulator: Emulator, code: &[u8]) -> Effects {
    modes
        .iter()
        .map(|mode| match decode(mode, code) {
            Some(insn) => effects_of(emulator, &insn, code),
            None => Effects::UNKNOWN,
        })
        .reduce(Effects::or)
        .unwrap_or(Effects::UNKNOWN)
}

fn effects_of(emulator: Emulator, insn: &Instruction, code: &[u8]) -> Effects {
    match completion(emulator, insn) {
        Unknown => Effects::new(Unknown, translation_effect(insn, code)),
        known => Effects::plain(known),
    }
}

/// How QEMU accesses the memory operand of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// Not at all: there is none, or it only names an address.
    NoAccess,
    /// Loads it or stores it.
    One,
    /// Loads the first operand, computes and stores it; loads any other.
    Modify,
    /// Loads or stores it with one access if it has up to 8 bytes.
    Scalar,
    /// Loads or stores it as a whole, or the 16 bytes around a smaller one.
    Whole,
    /// Not known; without one, the instruction completes.
    Registers,
}

/// The shape of an instruction that completes unless an access fails. `movsd` and `cmpsd` are the
/// vector instructions here.
#[rustfmt::skip]
fn shape(mnemonic: Mnemonic) -> Option<Shape> {
    use Mnemonic as M;
    let shape = match mnemonic {
        M::Lea | M::Nop | M::Endbr32 | M::Endbr64 | M::Prefetch | M::Prefetchw | M::Prefetchnta
        | M::Prefetcht0 | M::Prefetcht1 | M::Prefetcht2 | M::Cbw | M::Cwde | M::Cdqe | M::Cwd
        | M::Cdq | M::Cqo | M::Clc | M::Stc | M::Cmc | M::Cld | M::Std | M::Sahf | M::Lahf
        | M::Bswap | M::Lfence | M::Mfence | M::Sfence | M::Vzeroupper => Shape::NoAccess,

        M::Cmp | M::Test | M::Bt | M::Mul | M::Imul | M::Mulx | M::Movzx | M::Movsx | M::Movsxd
        | M::Movbe | M::Movnti | M::Bsf | M::Bsr | M::Tzcnt | M::Lzcnt | M::Popcnt | M::Crc32
        | M::Adcx | M::Adox | M::Andn | M::Bextr | M::Blsi | M::Blsr | M::Blsmsk | M::Bzhi
        | M::Pdep | M::Pext | M::Rorx | M::Sarx | M::Shlx | M::Shrx | M::Cmova | M::Cmovae
        | M::Cmovb | M::Cmovbe | M::Cmove | M::Cmovg | M::Cmovge | M::Cmovl | M::Cmovle
        | M::Cmovne | M::Cmovno | M::Cmovnp | M::Cmovns | M::Cmovo | M::Cmovp | M::Cmovs
        | M::Seta | M::Setae | M::Setb | M::Setbe | M::Sete | M::Setg | M::Setge | M::Setl
        | M::Setle | M::Setne | M::Setno | M::Setnp | M::Setns | M::Seto | M::Setp | M::Sets => Shape::One,

        M::Add | M::Adc | M::Sub | M::Sbb | M::And | M::Or | M::Xor | M::Inc | M::Dec | M::Neg
        | M::Not | M::Shl | M::Sal | M::Shr | M::Sar | M::Rol | M::Ror | M::Rcl | M::Rcr
        | M::Shld | M::Shrd | M::Btc | M::Btr | M::Bts => Shape::Modify,

        M::Fld | M::Fst | M::Fstp | M::Fild | M::Fist | M::Fistp | M::Fisttp | M::Fadd | M::Faddp
        | M::Fiadd | M::Fsub | M::Fsubp | M::Fisub | M::Fsubr | M::Fsubrp | M::Fisubr | M::Fmul
        | M::Fmulp | M::Fimul | M::Fdiv | M::Fdivp | M::Fidiv | M::Fdivr | M::Fdivrp | M::Fidivr
        | M::Fcom | M::Fcomp | M::Fcompp | M::Ficom | M::Ficomp | M::Fucom | M::Fucomp
        | M::Fucompp | M::Fcomi | M::Fcomip | M::Fucomi | M::Fucomip | M::Fxch | M::Fchs
        | M::Fabs | M::Fsqrt | M::Frndint | M::Fld1 | M::Fldz | M::Fldpi | M::Fldcw | M::Fnstcw
        | M::Fnstsw | M::Movss | M::Movsd | M::Movd | M::Movq | M::Movhps | M::Movlps | M::Movhpd
        | M::Movlpd | M::Addss | M::Addsd | M::Subss | M::Subsd | M::Mulss | M::Mulsd | M::Divss
        | M::Divsd | M::Sqrtss | M::Sqrtsd | M::Minss | M::Minsd | M::Maxss | M::Maxsd
        | M::Cvtsi2ss | M::Cvtsi2sd | M::Cvtss2si | M::Cvtsd2si | M::Cvttss2si | M::Cvttsd2si
        | M::Vmovss | M::Vmovsd | M::Vmovd | M::Vmovq | M::Vmovhps | M::Vmovlps | M::Vmovhpd
        | M::Vmovlpd | M::Vaddss | M::Vaddsd | M::Vsubss | M::Vsubsd | M::Vmulss | M::Vmulsd
        | M::Vdivss | M::Vdivsd | M::Vsqrtss | M::Vsqrtsd | M::Vminss | M::Vminsd | M::Vmaxss
        | M::Vmaxsd | M::Vcvtsi2ss | M::Vcvtsi2sd | M::Vcvtss2si | M::Vcvtsd2si | M::Vcvttss2si
        | M::Vcvttsd2si => Shape::Scalar,

        M::Movaps | M::Movapd | M::Movups | M::Movupd | M::Movdqa | M::Movdqu | M::Movntps
        | M::Movntpd | M::Movntdq | M::Movlhps | M::Movhlps | M::Movmskps | M::Movmskpd
        | M::Ucomiss | M::Ucomisd | M::Comiss | M::Comisd | M::Cvtss2sd | M::Cvtsd2ss
        | M::Cvtps2pd | M::Cvtpd2ps | M::Cvtdq2ps | M::Cvtdq2pd | M::Cvttps2dq | M::Addps
        | M::Addpd | M::Subps | M::Subpd | M::Mulps | M::Mulpd | M::Divps | M::Divpd | M::Sqrtps
        | M::Sqrtpd | M::Minps | M::Minpd | M::Maxps | M::Maxpd | M::Andps | M::Andpd | M::Andnps
        | M::Andnpd | M::Orps | M::Orpd | M::Xorps | M::Xorpd | M::Unpcklps | M::Unpcklpd
        | M::Unpckhps | M::Unpckhpd | M::Shufps | M::Shufpd | M::Pand | M::Pandn | M::Por
        | M::Pxor | M::Paddb | M::Paddw | M::Paddd | M::Paddq | M::Psubb | M::Psubw | M::Psubd
        | M::Psubq | M::Pmullw | M::Pmulld | M::Pmuludq | M::Pmaddwd | M::Pcmpeqb | M::Pcmpeqw
        | M::Pcmpeqd | M::Pcmpgtb | M::Pcmpgtw | M::Pcmpgtd | M::Pminub | M::Pmaxub | M::Pminsw
        | M::Pmaxsw | M::Pmovmskb | M::Pshufd | M::Pshufhw | M::Pshuflw | M::Pshufb | M::Packsswb
        | M::Packssdw | M::Packuswb | M::Punpcklbw | M::Punpcklwd | M::Punpckldq | M::Punpcklqdq
        | M::Punpckhbw | M::Punpckhwd | M::Punpckhdq | M::Punpckhqdq | M::Psllw | M::Pslld
        | M::Psllq | M::Pslldq | M::Psrlw | M::Psrld | M::Psrlq | M::Psrldq | M::Psraw | M::Psrad
        | M::Vmovaps | M::Vmovapd | M::Vmovups | M::Vmovupd | M::Vmovdqa | M::Vmovdqu | M::Vpand
        | M::Vpandn | M::Vpor | M::Vpxor | M::Vpaddb | M::Vpaddd | M::Vpaddq | M::Vpsubb
        | M::Vpcmpeqb | M::Vpcmpeqd | M::Vpcmpgtb | M::Vpminub | M::Vpmovmskb | M::Vandps
        | M::Vandpd | M::Vxorps | M::Vxorpd => Shape::Whole,

        M::Vucomiss | M::Vucomisd | M::Vcomiss | M::Vcomisd | M::Vcvtss2sd | M::Vcvtsd2ss
        | M::Palignr | M::Vpalignr | M::Vpshufd | M::Vpshufb | M::Vpbroadcastb | M::Vpbroadcastd
        | M::Vpbroadcastq | M::Roundss | M::Roundsd | M::Vroundss | M::Vroundsd | M::Vandnps
        | M::Vandnpd | M::Vorps | M::Vorpd | M::Vunpcklps | M::Vunpcklpd | M::Vpsrld | M::Vpslld
        | M::Vpsrlq | M::Vpsllq | M::Pextrw | M::Vcmpss | M::Vcmpsd | M::Cmpss | M::Cmpps
        | M::Cmppd | M::Vfmadd132ss | M::Vfmadd132sd | M::Vfmadd132ps | M::Vfmadd132pd
        | M::Vfmadd213ss | M::Vfmadd213sd | M::Vfmadd213ps | M::Vfmadd213pd | M::Vfmadd231ss
        | M::Vfmadd231sd | M::Vfmadd231ps | M::Vfmadd231pd | M::Vfmsub132ss | M::Vfmsub132sd
        | M::Vfmsub132ps | M::Vfmsub132pd | M::Vfmsub213ss | M::Vfmsub213sd | M::Vfmsub213ps
        | M::Vfmsub213pd | M::Vfmsub231ss | M::Vfmsub231sd | M::Vfmsub231ps | M::Vfmsub231pd
        | M::Vfnmadd132ss | M::Vfnmadd132sd | M::Vfnmadd132ps | M::Vfnmadd132pd | M::Vfnmadd213ss
        | M::Vfnmadd213sd | M::Vfnmadd213ps | M::Vfnmadd213pd | M::Vfnmadd231ss | M::Vfnmadd231sd
        | M::Vfnmadd231ps | M::Vfnmadd231pd | M::Vfnmsub132ss | M::Vfnmsub132sd | M::Vfnmsub132ps
        | M::Vfnmsub132pd | M::Vfnmsub213ss | M::Vfnmsub213sd | M::Vfnmsub213ps | M::Vfnmsub213pd
        | M::Vfnmsub231ss | M::Vfnmsub231sd | M::Vfnmsub231ps | M::Vfnmsub231pd => Shape::Registers,

        _ => return None,
    };
    Some(shape)
}

fn completion(emulator: Emulator, insn: &Instruction) -> Completion {
    // String instructions may repeat, and two share mnemonics with vector instructions.
    if insn.has_lock_prefix() || insn.is_string_instruction() {
        return Unknown;
    }
    let has_memory = has_memory_operand(insn);
    match insn.mnemonic() {
        Mnemonic::Mov => return mov(insn),
        Mnemonic::Push | Mnemonic::Pop if has_memory => return LoadThenStore,
        Mnemonic::Pop if insn.op0_register().is_segment_register() => return Unknown,
        Mnemonic::Push | Mnemonic::Pop | Mnemonic::Leave => return OneAccess,
        Mnemonic::Xchg if !has_memory => return Always,
        Mnemonic::Div | Mnemonic::Idiv if !has_memory => return NoAccess,
        _ if is_jump(insn) && !has_memory => return NoAccess,
        _ => {}
    }
    let size = insn.memory_size().size();
    match shape(insn.mnemonic()) {
        Some(Shape::NoAccess) => Always,
        Some(_) if !has_memory => Always,
        Some(Shape::Modify) if insn.op0_kind() == OpKind::Memory => LoadThenStore,
        Some(Shape::One | Shape::Modify) => OneAccess,
        Some(Shape::Scalar) if size <= 8 => OneAccess,
        Some(Shape::Whole) if size <= 16 && emulator.has_wide_accesses() => OneAccess,
        Some(Shape::Scalar | Shape::Whole | Shape::Registers) | None => Unknown,
    }
}

fn has_memory_operand(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|operand| insn.op_kind(operand) == OpKind::Memory)
}

/// A move: of control and debug registers it is a system instruction, and into a segment register
/// it loads a descriptor.
fn mov(insn: &Instruction) -> Completion {
    let is_system = |register: Register| register.is_cr() || register.is_dr() || register.is_tr();
    let (to, from) = (insn.op0_register(), insn.op1_register());
    if is_system(to) || is_system(from) || to.is_segment_register() {
        Unknown
    } else if has_memory_operand(insn) {
        OneAccess
    } else {
        Always
    }
}

/// The effect of an instruction whose completion is unknown.
#[rustfmt::skip]
fn translation_effect(insn: &Instruction, code: &[u8]) -> TranslationEffect {
    use Mnemonic as M;
    let is_long = insn.code_size() == CodeSize::Code64;
    match insn.mnemonic() {
        M::In | M::Insb | M::Insw | M::Insd | M::Out | M::Outsb | M::Outsw | M::Outsd =>
            TranslationEffect::AllVcpus,

        M::Div | M::Idiv | M::Xchg | M::Xadd | M::Cmpxchg | M::Cmpxchg8b | M::Cmpxchg16b
        | M::Movsb | M::Movsw | M::Movsd | M::Movsq | M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq
        | M::Stosb | M::Stosw | M::Stosd | M::Stosq | M::Scasb | M::Scasw | M::Scasd | M::Scasq
        | M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq | M::Xlatb | M::Enter | M::Pusha | M::Pushad
        | M::Popa | M::Popad | M::Pushf | M::Pushfd | M::Pushfq | M::Popf | M::Popfd | M::Popfq
        | M::Cli | M::Sti | M::Clac | M::Stac | M::Aaa | M::Aad | M::Aam | M::Aas | M::Daa
        | M::Das | M::Cpuid | M::Rdtsc | M::Rdtscp | M::Rdrand | M::Rdseed | M::Pause
        | M::Clflush | M::Clflushopt | M::Clwb | M::Xgetbv | M::Fxsave | M::Fxsave64 | M::Fxrstor
        | M::Fxrstor64 | M::Xsave | M::Xsave64 | M::Xsaveopt | M::Xsaveopt64 | M::Xrstor
        | M::Xrstor64 | M::Xsavec | M::Xsavec64 | M::Ldmxcsr | M::Stmxcsr | M::Emms
        | M::Syscall | M::Sysret | M::Sysretq | M::Sysenter | M::Sysexit | M::Sysexitq | M::Retf
        | M::Swapgs | M::Rdfsbase | M::Rdgsbase | M::Wrfsbase | M::Wrgsbase | M::Lds | M::Les
        | M::Lfs | M::Lgs | M::Lss | M::Lgdt | M::Lidt | M::Lldt | M::Ltr | M::Sgdt | M::Sidt
        | M::Sldt | M::Str | M::Smsw | M::Lar | M::Lsl | M::Verr | M::Verw | M::Clts | M::Rdmsr
        | M::Rdpmc | M::Rdpkru | M::Wrpkru | M::Xsetbv | M::Rdsspd | M::Rdsspq | M::Hlt
        | M::Monitor | M::Mwait => TranslationEffect::None,

        M::Iret | M::Iretd | M::Iretq | M::Int | M::Int1 | M::Int3 | M::Ud0 | M::Ud1 | M::Ud2
            if is_long => TranslationEffect::None,
        M::Mov if !is_control(insn.op0_register()) => TranslationEffect::None,
        M::Pop if insn.op0_register().is_segment_register() => TranslationEffect::None,

        // What is known to access only memory, in a form that promises nothing (LOCK, 256 bits).
        mnemonic if shape(mnemonic).is_some() => TranslationEffect::None,
        _ if is_near_transfer(insn) || is_computation(insn, code) => TranslationEffect::None,
        _ if is_long && is_far_transfer(insn) => TranslationEffect::None,
        _ => TranslationEffect::ThisVcpu,
    }
}

/// Jumps within the code segment, conditional or not.
fn is_jump(insn: &Instruction) -> bool {
    insn.is_jcc_short_or_near()
        || insn.is_jmp_short_or_near()
        || insn.is_jmp_near_indirect()
        || insn.is_jcx_short()
        || insn.is_loop()
        || insn.is_loopcc()
}

/// Jumps, calls and returns within the code segment.
fn is_near_transfer(insn: &Instruction) -> bool {
    is_jump(insn)
        || insn.is_call_near()
        || insn.is_call_near_indirect()
        || insn.mnemonic() == Mnemonic::Ret
}

/// Jumps and calls to another code segment.
fn is_far_transfer(insn: &Instruction) -> bool {
    insn.is_jmp_far()
        || insn.is_jmp_far_indirect()
        || insn.is_call_far()
        || insn.is_call_far_indirect()
}

/// Whether writing this register may change paging: CR8 is the task priority.
fn is_control(register: Register) -> bool {
    register.is_cr() && register != Register::CR8
}

/// Everything with a VEX, EVEX or XOP prefix or a vector register, and x87 (opcodes 9B and D8 to
/// DF).
fn is_computation(insn: &Instruction, code: &[u8]) -> bool {
    const PREFIXES: [u8; 11] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
    let is_vector = |register: Register| register.is_vector_register() || register.is_mm();
    if insn.encoding() != EncodingKind::Legacy
        || (0..insn.op_count()).any(|operand| is_vector(insn.op_register(operand)))
    {
        return true;
    }
    let is_rex = |byte: u8| insn.code_size() == CodeSize::Code64 && byte & 0xf0 == 0x40;
    let opcode = code.iter().find(|&&byte| !PREFIXES.contains(&byte) && !is_rex(byte));
    matches!(opcode, Some(0x9b | 0xd8..=0xdf))
}

#[cfg(test)]
mod tests;
