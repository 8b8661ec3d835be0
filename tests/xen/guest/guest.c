/* A guest of a few kilobytes that does port I/O as dom0 tells it to.
 *
 * It stands for the firmware: what the daemon sees of it (port writes that stop the vCPU, pages of
 * guest memory, several vCPUs) is the real thing. It runs without an operating system, in 32-bit
 * mode without paging or interrupts. */

#include <stddef.h>
#include <stdint.h>

/* Otherwise the headers give the hypercalls of Xen 3.0. */
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/xen.h>

#include "mailbox.h"

extern char hypercall_page[];
extern char SecondStart[];

void* memcpy(void* to, const void* from, size_t bytes) {
  uint8_t* t = to;
  const uint8_t* f = from;
  while (bytes--) *t++ = *f++;
  return to;
}

void* memset(void* to, int value, size_t bytes) {
  uint8_t* t = to;
  while (bytes--) *t++ = (uint8_t)value;
  return to;
}

static int SameBytes(const uint8_t* a, const uint8_t* b, size_t bytes) {
  while (bytes--) {
    if (*a++ != *b++) return 0;
  }
  return 1;
}

/* ---- instructions ---- */

static void Out(uint16_t port, uint32_t width, uint32_t value) {
  if (width == 1) {
    asm volatile("outb %b0, %1" ::"a"(value), "Nd"(port) : "memory");
  } else if (width == 2) {
    asm volatile("outw %w0, %1" ::"a"(value), "Nd"(port) : "memory");
  } else {
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
  }
}

static uint32_t In(uint16_t port, uint32_t width) {
  uint32_t value = 0;
  if (width == 1) {
    asm volatile("inb %1, %b0" : "+a"(value) : "Nd"(port) : "memory");
  } else if (width == 2) {
    asm volatile("inw %1, %w0" : "+a"(value) : "Nd"(port) : "memory");
  } else {
    asm volatile("inl %1, %0" : "+a"(value) : "Nd"(port) : "memory");
  }
  return value;
}

static void RepOut(uint16_t port, uint32_t width, uint32_t count, const void* from) {
  if (width == 1) {
    asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
  } else if (width == 2) {
    asm volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
  } else {
    asm volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
  }
}

static void RepIn(uint16_t port, uint32_t width, uint32_t count, void* to) {
  if (width == 1) {
    asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
  } else if (width == 2) {
    asm volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
  } else {
    asm volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
  }
}

static uint64_t ReadCycles(void) {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return ((uint64_t)high << 32) | low;
}

struct CpuidLeaf {
  uint32_t eax, ebx, ecx, edx;
};

static struct CpuidLeaf Cpuid(uint32_t leaf) {
  struct CpuidLeaf l;
  asm volatile("cpuid" : "=a"(l.eax), "=b"(l.ebx), "=c"(l.ecx), "=d"(l.edx) : "0"(leaf), "2"(0));
  return l;
}

static void WriteMsr(uint32_t msr, uint32_t value) {
  asm volatile("wrmsr" ::"c"(msr), "a"(value), "d"(0));
}

/* Port 0xe9 is Xen's own: a line written there appears in Xen's log as "(dN) line". */
static void Print(const char* text) {
  while (*text) Out(0xe9, 1, (uint8_t)*text++);
}

/* ---- Xen ---- */

static uint32_t xen_leaf;

/* Xen announces itself in the first of CPUID's hypervisor leaves that carries its signature, says
 * there which MSR takes the address of the hypercall page, and fills that page. */
static int FindXen(void) {
  uint32_t leaf;
  for (leaf = XEN_CPUID_FIRST_LEAF; leaf < XEN_CPUID_FIRST_LEAF + 0x10000; leaf += 0x100) {
    struct CpuidLeaf l = Cpuid(leaf);
    if (l.ebx == XEN_CPUID_SIGNATURE_EBX && l.ecx == XEN_CPUID_SIGNATURE_ECX &&
        l.edx == XEN_CPUID_SIGNATURE_EDX) {
      xen_leaf = leaf;
      WriteMsr(Cpuid(leaf + 2).ebx, (uint32_t)(uintptr_t)hypercall_page);
      return 1;
    }
  }
  return 0;
}

static int Hypercall(uint32_t number, uint32_t a, uint32_t b, uint32_t c) {
  int result;
  asm volatile("call *%4"
               : "=a"(result), "+b"(a), "+c"(b), "+d"(c)
               : "r"(hypercall_page + number * 32)
               : "memory", "esi", "edi");
  return result;
}

static void LetOthersRun(void) { Hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0); }

static void ShutDown(uint32_t reason) {
  struct sched_shutdown order = {.reason = reason};
  Hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uint32_t)(uintptr_t)&order, 0);
}

static int StartSecondVcpu(void) {
  /* Protected mode with the flat segments that boot.S sets up for the first vCPU. Attributes:
   * present, 4 KiB units, 32-bit, accessed; the task register must hold a busy 32-bit TSS. */
  static struct vcpu_hvm_context context;
  struct vcpu_hvm_x86_32* regs = &context.cpu_regs.x86_32;
  int result;
  context.mode = VCPU_HVM_MODE_32B;
  regs->eip = (uint32_t)(uintptr_t)SecondStart;
  regs->eflags = 0x2;
  regs->cr0 = 0x11;
  regs->cs_limit = regs->ds_limit = regs->ss_limit = regs->es_limit = 0xffffffff;
  regs->tr_limit = 0x67;
  regs->cs_ar = 0xc9b;
  regs->ds_ar = regs->ss_ar = regs->es_ar = 0xc93;
  regs->tr_ar = 0x8b;
  result = Hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, (uint32_t)(uintptr_t)&context);
  if (result) return result;
  return Hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0);
}

static uint32_t ChangeReservation(uint32_t order, uint32_t first_page, uint32_t count) {
  uint32_t done = 0;
  for (; done < count; done++) {
    xen_pfn_t page = first_page + done;
    struct xen_memory_reservation pages = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(pages.extent_start, &page);
    if (Hypercall(__HYPERVISOR_memory_op, order, (uint32_t)(uintptr_t)&pages, 0) != 1) break;
  }
  return done;
}

static void Balloon(volatile struct Mailbox* m) {
  for (m->calls = 0; !m->stop && (m->count == 0 || m->calls < m->count); m->calls++) {
    ChangeReservation(XENMEM_decrease_reservation, m->offset, 1);
    /* The old page may have to wait for those who still have it mapped. */
    while (ChangeReservation(XENMEM_populate_physmap, m->offset, 1) != 1) LetOthersRun();
    LetOthersRun(); /* with the page there */
  }
}

static uint32_t Unmap(uint32_t first_page, uint32_t count) {
  uint32_t done = 0;
  for (; done < count; done++) {
    struct xen_remove_from_physmap page = {.domid = DOMID_SELF, .gpfn = first_page + done};
    if (Hypercall(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, (uint32_t)(uintptr_t)&page,
                  0)) {
      break;
    }
  }
  return done;
}

/* ---- orders ---- */

static uint8_t* Block(uint32_t vcpu) { return (uint8_t*)(BLOCK_BASE + vcpu * BLOCK_BYTES); }

/* EFI_STATUS of an answer: 0, or the top bit and a small number (UEFI 2.10, appendix D). */
static int IsStatus(const uint8_t* reply) {
  uint32_t low, high;
  memcpy(&low, reply, 4);
  memcpy(&high, reply + 4, 4);
  return (low == 0 && high == 0) || (low != 0 && low < 0x100 && high == 0x80000000u);
}

static void Repeat(uint32_t vcpu, volatile struct Mailbox* m) {
  uint8_t* shared = Block(vcpu) + BLOCK_SHARED;
  const uint8_t* request = Block(vcpu) + BLOCK_FIRST_COPY;
  const uint8_t* expected = Block(vcpu) + BLOCK_SECOND_COPY;
  m->different = m->malformed = 0;
  for (m->calls = 0; !m->stop && (m->count == 0 || m->calls < m->count); m->calls++) {
    memcpy(shared, request, m->request_bytes);
    if (m->offset) shared[m->offset] += (uint8_t)m->calls;
    Out((uint16_t)m->port, 4, (uint32_t)(uintptr_t)shared >> 12);
    if (!SameBytes(shared, expected, m->reply_bytes)) {
      m->different++;
      if (!IsStatus(shared)) m->malformed++;
    }
  }
}

static void Rewrite(uint32_t vcpu, volatile struct Mailbox* m) {
  uint8_t* victim = Block(0) + BLOCK_SHARED + m->offset;
  const uint8_t* one = Block(vcpu) + BLOCK_FIRST_COPY;
  const uint8_t* other = Block(vcpu) + BLOCK_SECOND_COPY;
  for (m->calls = 0; !m->stop && (m->count == 0 || m->calls < m->count); m->calls++) {
    memcpy(victim, one, m->request_bytes);
    memcpy(victim, other, m->request_bytes);
  }
}

static void CarryOut(uint32_t vcpu, volatile struct Mailbox* m) {
  uint8_t* shared = Block(vcpu) + BLOCK_SHARED;
  uint16_t port = (uint16_t)m->port;
  switch (m->action) {
    case kActionOut:
      Out(port, m->width, m->value);
      break;
    case kActionIn:
      m->value = In(port, m->width);
      break;
    case kActionRepOut:
      RepOut(port, m->width, m->count, shared);
      break;
    case kActionRepIn:
      RepIn(port, m->width, m->count, shared);
      break;
    case kActionRepeat:
      Repeat(vcpu, m);
      break;
    case kActionRewrite:
      Rewrite(vcpu, m);
      break;
    case kActionBalloon:
      Balloon(m);
      break;
    case kActionStartVcpu:
      m->value = (uint32_t)StartSecondVcpu();
      break;
    case kActionGiveBack:
      m->value = ChangeReservation(XENMEM_decrease_reservation, m->offset, m->count);
      break;
    case kActionUnmap:
      m->value = Unmap(m->offset, m->count);
      break;
    case kActionPopulate:
      m->value = ChangeReservation(XENMEM_populate_physmap, m->offset, m->count);
      break;
    case kActionShutdown:
      m->done = m->ordered; /* nobody is left afterwards to say so */
      ShutDown(m->value);
      break;
  }
}

static void ServeMailbox(uint32_t vcpu) {
  volatile struct Mailbox* m = (volatile struct Mailbox*)(Block(vcpu) + BLOCK_MAILBOX);
  m->cycles_per_ms = Cpuid(xen_leaf + 3).ecx; /* Xen: the guest's time stamp counter in kHz */
  m->done = m->ordered = 0;
  m->ready = MAILBOX_READY;
  for (;;) {
    uint64_t begin, cycles;
    if (__atomic_load_n(&m->ordered, __ATOMIC_ACQUIRE) == m->done) {
      LetOthersRun();
      continue;
    }
    begin = ReadCycles();
    CarryOut(vcpu, m);
    cycles = ReadCycles() - begin;
    m->cycles_low = (uint32_t)cycles;
    m->cycles_high = (uint32_t)(cycles >> 32);
    __atomic_store_n(&m->done, m->ordered, __ATOMIC_RELEASE);
  }
}

void FirstVcpu(void) {
  if (!FindXen()) return;
  Print("test guest waits for orders\n");
  ServeMailbox(0);
}

void SecondVcpu(void) { ServeMailbox(1); }
