/* How the test guest's memory is laid out, and the orders that dom0 leaves there for its vCPUs.
 *
 * The guest knows nothing about variables: each of its vCPUs waits for an order in a page of its
 * own, carries it out, and says so. The order's author is dom0/guest_driver. */
#pragma once

#include <stdint.h>

/* Each vCPU owns a block of guest-physical memory. Offsets inside a block: */
#define BLOCK_BASE 0x200000u
#define BLOCK_BYTES 0x100000u
#define BLOCK_MAILBOX 0x0u        /* struct Mailbox */
#define BLOCK_SHARED 0x10000u     /* the 16 pages whose number is written to port 0x100 */
#define BLOCK_FIRST_COPY 0x30000u /* kActionRepeat: the request. kActionRewrite: one content */
#define BLOCK_SECOND_COPY \
  0x50000u /* kActionRepeat: the expected reply. kActionRewrite: the other */
#define SHARED_BYTES 0x10000u

#define MAILBOX_READY 0x79646552u

enum Action {
  kActionOut = 1,   /* write `value`, `width` bytes wide, to `port` */
  kActionIn,        /* read `width` bytes from `port` into `value` */
  kActionRepOut,    /* `rep outs`: `count` elements of `width` bytes from the shared pages */
  kActionRepIn,     /* `rep ins`: the same, from the port into the shared pages */
  kActionRepeat,    /* `count` times: put the request into the shared pages, add the number of the
                       turn to its byte at `offset` unless that is 0, write their page number to
                       `port`, compare the reply with the expected one */
  kActionRewrite,   /* `count` times: rewrite bytes [offset, offset + request_bytes) of the first
                       vCPU's shared pages with one content and then with the other */
  kActionStartVcpu, /* start the second vCPU; `value` becomes the hypercall's result */
  kActionGiveBack,  /* give `count` pages from the page number `offset` on back to Xen */
  kActionUnmap,     /* take `count` pages from `offset` on out of this domain's memory map; they
                       stay the domain's */
  kActionPopulate,  /* get new pages of Xen for `count` page numbers from `offset` on. These three:
                       `value` becomes the number of pages for which it worked */
  kActionBalloon,   /* `count` times: give the page `offset` back to Xen, and get another one in its
                       place */
  kActionShutdown,  /* shut the domain down with reason `value` (SHUTDOWN_* of xen/sched.h) */
};

/* Written by dom0 up to `ordered`, by the vCPU from there on. All values are in host order. */
struct Mailbox {
  uint32_t action;
  uint32_t port;
  uint32_t width;
  uint32_t value;
  uint32_t count; /* 0: until `stop` is set */
  uint32_t offset;
  uint32_t request_bytes;
  uint32_t reply_bytes;
  uint32_t stop;
  uint32_t ordered; /* dom0 adds 1 when the order above is complete */

  uint32_t ready;                   /* MAILBOX_READY as soon as the vCPU waits for orders */
  uint32_t done;                    /* set to `ordered` when the order is carried out */
  uint32_t calls;                   /* how often an action with `count` went round */
  uint32_t different;               /* replies of kActionRepeat that were not the expected one */
  uint32_t malformed;               /* of these, replies whose first 8 bytes are no EFI_STATUS */
  uint32_t cycles_low, cycles_high; /* time stamp counter cycles that the order took */
  uint32_t cycles_per_ms;
};
