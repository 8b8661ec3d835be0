#pragma once

#include "openssl.h"
#include "varstored/signer/signature.h"

namespace varstored::signer {

struct PrivateKey::Impl {
  KeyPtr key;
};

}  // namespace varstored::signer
