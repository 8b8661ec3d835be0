; @file
;   The hypercall sched_op. Xen takes its number in rax, its arguments in rdi and rsi.
;
;   SPDX-License-Identifier: BSD-2-Clause

DEFAULT REL
SECTION .text

SCHED_OP equ 29

; INTN EFIAPI SchedOp (IN BOOLEAN Vmmcall, IN UINTN Command, IN CONST VOID *Argument);
global ASM_PFX(SchedOp)
ASM_PFX(SchedOp):
  push rdi
  push rsi
  mov rdi, rdx
  mov rsi, r8
  mov eax, SCHED_OP
  test cl, cl
  jnz .amd
  vmcall
  jmp .done
.amd:
  vmmcall
.done:
  pop rsi
  pop rdi
  ret
