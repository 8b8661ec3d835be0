#include "varstored/efi/signature_list.h"

#include <array>

#include "varstored/base/reader.h"
#include "varstored/base/writer.h"

namespace varstored::efi {
namespace {

constexpr std::uint32_t kOwnerBytes = 16;
constexpr std::uint32_t kListHeaderBytes = 28;

// UEFI 2.10, 32.4.1, in the order of SignatureKind. The X.509 hashes are followed by the 16 bytes
// of the time of revocation; that of SM3 too, by its structure (2.11's text says 32 bytes of it).
constexpr std::array<SignatureType, kSignatureKinds> kTypes = {{
    {SignatureKind::kSha1, *ParseGuid("826ca512-cf10-4ac9-b187-be01496631bd"), 20, true},
    {SignatureKind::kSha224, *ParseGuid("0b6e5233-a65c-44c9-9407-d9ab83bfc8bd"), 28, true},
    {SignatureKind::kSha256, *ParseGuid("c1c41626-504c-4092-aca9-41f936934328"), 32, true},
    {SignatureKind::kSha384, *ParseGuid("ff3e5307-9fd0-48c9-85f1-8ad56c701e01"), 48, true},
    {SignatureKind::kSha512, *ParseGuid("093e0fae-a6c4-4f50-9f1b-d41e2b89c19a"), 64, true},
    {SignatureKind::kRsa2048, *ParseGuid("3c5766e8-269c-4e34-aa14-ed776e85b3b6"), 256, false},
    {SignatureKind::kRsa2048Sha1, *ParseGuid("67f8444f-8743-48f1-a328-1eaab8736080"), 256, false},
    {SignatureKind::kRsa2048Sha256, *ParseGuid("e2b36190-879b-4a3d-ad8d-f2e7bba32784"), 256, false},
    {SignatureKind::kX509, *ParseGuid("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"), 0, false},
    {SignatureKind::kX509Sha256, *ParseGuid("3bd2a492-96c0-4079-b420-fcf98ef103ed"), 48, true},
    {SignatureKind::kX509Sha384, *ParseGuid("7076876e-80c2-4ee6-aad2-28b349a6865b"), 64, true},
    {SignatureKind::kX509Sha512, *ParseGuid("446dbf63-2502-4cda-bcfa-2465d2b0fe9d"), 80, true},
    {SignatureKind::kSm3, *ParseGuid("57347f87-7a9b-403a-b93c-dc4afb7a0ebc"), 32, true},
    {SignatureKind::kX509Sm3, *ParseGuid("60d807e5-10b4-49a9-9331-e40437888d37"), 48, true},
    {SignatureKind::kExternalManagement, *ParseGuid("452e8ced-dfff-4b8c-ae01-5118862e682c"), 1,
     false},
}};

const SignatureType* FindType(const Guid& guid) {
  for (const SignatureType& type : kTypes) {
    if (type.guid == guid) {
      return &type;
    }
  }
  return nullptr;
}

/// One list as its own sizes bound it.
struct Frame {
  Guid type;
  std::uint32_t header_bytes = 0;
  std::uint32_t entry_bytes = 0;
  base::ByteSpan body;
};

std::optional<Frame> ReadFrame(base::Reader& reader) {
  Frame frame;
  std::uint32_t list_bytes = 0;
  if (!reader.ReadArray(frame.type.bytes) || !reader.ReadU32(list_bytes) ||
      !reader.ReadU32(frame.header_bytes) || !reader.ReadU32(frame.entry_bytes) ||
      list_bytes < kListHeaderBytes ||
      !reader.ReadBytes(list_bytes - kListHeaderBytes, frame.body)) {
    return std::nullopt;
  }
  return frame;
}

std::optional<SignatureList> ListIn(const Frame& frame) {
  const SignatureType* type = FindType(frame.type);
  // An X.509 entry has no size of its own kind, but it is not empty, and there is one.
  if (type == nullptr || frame.header_bytes != 0 || frame.entry_bytes <= kOwnerBytes ||
      frame.body.size() % frame.entry_bytes != 0 ||
      (type->data_bytes != 0 ? frame.entry_bytes != kOwnerBytes + type->data_bytes
                             : frame.body.empty())) {
    return std::nullopt;
  }
  SignatureList list{type->kind, frame.entry_bytes, {}};
  list.entries.reserve(frame.body.size() / frame.entry_bytes);
  base::Reader entries(frame.body);
  SignatureEntry entry;
  while (entries.ReadArray(entry.owner.bytes) &&
         entries.ReadBytes(frame.entry_bytes - kOwnerBytes, entry.data)) {
    list.entries.push_back(entry);
  }
  return list;
}

/// What to do with a list whose form is wrong, as long as its size is believable.
enum class Wrong : std::uint8_t { kRefuse, kPassOver };

std::optional<std::vector<SignatureList>> ReadLists(base::ByteSpan bytes, Wrong wrong) {
  std::vector<SignatureList> lists;
  base::Reader reader(bytes);
  while (!reader.empty()) {
    const auto frame = ReadFrame(reader);
    auto list = frame ? ListIn(*frame) : std::nullopt;
    if (!frame || (!list && wrong == Wrong::kRefuse)) {
      return std::nullopt;
    }
    if (list) {
      lists.push_back(*std::move(list));
    }
  }
  return lists;
}

}  // namespace

const SignatureType& TypeOf(SignatureKind kind) { return kTypes[static_cast<std::size_t>(kind)]; }

bool IsHashOfCertificate(SignatureKind kind) {
  return kind == SignatureKind::kX509Sha256 || kind == SignatureKind::kX509Sha384 ||
         kind == SignatureKind::kX509Sha512 || kind == SignatureKind::kX509Sm3;
}

std::optional<std::vector<SignatureList>> ParseSignatureLists(base::ByteSpan bytes) {
  return ReadLists(bytes, Wrong::kRefuse);
}

std::optional<std::vector<SignatureList>> UsableSignatureLists(base::ByteSpan bytes) {
  return ReadLists(bytes, Wrong::kPassOver);
}

bool IsManagedByTheHost(base::ByteSpan bytes) {
  const auto lists = ParseSignatureLists(bytes);
  return lists && lists->size() == 1 && lists->front().kind == SignatureKind::kExternalManagement &&
         lists->front().entries.size() == 1;
}

base::Bytes EncodeSignatureLists(const std::vector<SignatureList>& lists) {
  base::Writer writer;
  for (const SignatureList& list : lists) {
    if (list.entries.empty()) {
      continue;
    }
    const auto body_bytes = static_cast<std::uint32_t>(list.entries.size()) * list.entry_bytes;
    writer.WriteBytes(TypeOf(list.kind).guid.bytes);
    writer.WriteU32(kListHeaderBytes + body_bytes);
    writer.WriteU32(0);
    writer.WriteU32(list.entry_bytes);
    for (const SignatureEntry& entry : list.entries) {
      writer.WriteBytes(entry.owner.bytes);
      writer.WriteBytes(entry.data);
    }
  }
  return writer.Take();
}

}  // namespace varstored::efi
