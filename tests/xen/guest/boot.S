/* Entry points of the test guest.
 *
 * As a PVH domain, Xen's toolstack finds the address of Start in the ELF note below. As an HVM
 * domain the note is left out, and the file is given to the toolstack in place of hvmloader, the
 * program that would fetch a BIOS: the toolstack jumps to the ELF entry point. In both cases the
 * CPU is in 32-bit protected mode with flat segments and without paging, and it stays so. */

#include <xen/elfnote.h>

#ifdef PVH
        .section .note.Xen, "a", @note
        .align 4
        .long 4                 /* bytes of the name */
        .long 4                 /* bytes of the value */
        .long XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long Start
#endif

        .section .text.start, "ax"
        .globl Start
Start:
        cld
        mov $first_stack_top, %esp
        lgdt gdt_register       /* the toolstack's own table may be anywhere: use one of ours */
        ljmp $8, $1f
1:      mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        call FirstVcpu
2:      hlt
        jmp 2b

        /* The second vCPU begins here, in the state that StartSecondVcpu() in guest.c asks for. */
        .globl SecondStart
SecondStart:
        cld
        mov $second_stack_top, %esp
        call SecondVcpu
3:      hlt
        jmp 3b

        .data
        .align 16
gdt:    .quad 0
        .quad 0x00cf9b000000ffff        /* code: base 0, 4 GiB */
        .quad 0x00cf93000000ffff        /* data: base 0, 4 GiB */
gdt_register:
        .word . - gdt - 1
        .long gdt

        .bss
        .align 4096
        .globl hypercall_page
hypercall_page:
        .skip 4096
        .skip 16384
first_stack_top:
        .skip 16384
second_stack_top:

        .section .note.GNU-stack, "", @progbits
