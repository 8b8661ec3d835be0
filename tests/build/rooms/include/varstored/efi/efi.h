#pragma once

namespace varstored::efi {

int Two();

}  // namespace varstored::efi
