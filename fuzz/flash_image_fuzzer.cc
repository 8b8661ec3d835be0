// A flash image that an administrator was given. Input: the image.

#include <algorithm>
#include <string>

#include "support.h"
#include "varstored/convert/flash_image.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace varstored;
  const base::ByteSpan image(data, size);
  auto content = convert::ReadFlashImage(image);
  if (!content) {
    fuzz::Require(!content.error().message.empty(), "every error has a text");
    return 0;
  }
  const auto same = convert::WriteFlashImage(*content, image);
  fuzz::Require(same.ok() || same.error().message.find("variables take") != std::string::npos,
                "an image is a template");
  // Without what cannot be written (a volatile variable) there is something to change.
  if (same.ok() && same->lost.empty()) {
    fuzz::Require(std::equal(same->bytes.begin(), same->bytes.end(), image.begin(), image.end()),
                  "nothing changed, and the image is the same");
  }
  if (content->entries.empty()) {
    return 0;
  }
  content->entries.erase(content->entries.begin());
  const auto less = convert::WriteFlashImage(*content, image);
  if (!less) {
    return 0;  // a list of signers that was not there may not fit
  }
  fuzz::Require(less->bytes.size() == image.size(), "a template keeps its size");
  const auto read = convert::ReadFlashImage(less->bytes);
  fuzz::Require(read.ok(), "what is written can be read");
  fuzz::Require(!less->lost.empty() || read->entries.size() == content->entries.size(),
                "what is written is there");
  return 0;
}
