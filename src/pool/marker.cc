#include "varstored/pool/marker.h"

#include <utility>

#include "pool_helper.h"
#include "varstored/base/bytes.h"
#include "varstored/base/reader.h"
#include "varstored/base/writer.h"
#include "varstored/pool/texts.h"
#include "varstored/tool/place.h"

namespace varstored::pool {
namespace {

/// The first byte of a question; the rest is the VM's uuid.
constexpr char kFind = '?';
constexpr char kMark = '+';
constexpr char kUnmark = '-';

base::Result<base::Bytes> Answer(backend::Pool& pool, const std::string& question) {
  const std::string uuid = question.substr(1);
  if (question.front() != kFind) {
    const auto marked = pool.MarkForUpdate(uuid, question.front() == kMark);
    return marked ? base::Result<base::Bytes>(base::Bytes()) : marked.failure();
  }
  const auto vm = pool.FindByUuid(uuid);
  if (!vm) {
    return vm.failure();
  }
  base::Writer writer;
  if (*vm) {
    for (const std::string& text :
         {(*vm)->name, (*vm)->power_state, (*vm)->certificates_state, (*vm)->domain}) {
      tool::WriteText(writer, text);
    }
  }
  return writer.Take();
}

}  // namespace

base::Result<Marker> Marker::Start(const ToolstackOptions& options, sandbox::Stop& stop) {
  auto helper = StartPoolHelper(options, stop, [](backend::Pool& pool, base::ByteSpan question) {
    return Answer(pool, base::ToString(question));
  });
  return helper ? Marker(*std::move(helper)) : base::Result<Marker>(helper.failure());
}

base::Result<std::optional<backend::PoolVm>> Marker::Find(const std::string& uuid, base::Log& log) {
  const auto answer = helper_.Ask(base::ToBytes(kFind + uuid), log);
  if (!answer) {
    return answer.failure();
  }
  if (answer->empty()) {
    return std::optional<backend::PoolVm>();
  }
  base::Reader reader(*answer);
  backend::PoolVm vm;
  vm.uuid = uuid;
  for (std::string* text : {&vm.name, &vm.power_state, &vm.certificates_state, &vm.domain}) {
    if (!tool::ReadText(reader, *text)) {
      return sandbox::BrokenAnswer();
    }
  }
  return std::optional(std::move(vm));
}

base::Result<void> Marker::Mark(const std::string& uuid, bool mark, base::Log& log) {
  const auto answer = helper_.Ask(base::ToBytes((mark ? kMark : kUnmark) + uuid), log);
  return answer ? base::Result<void>() : answer.failure();
}

}  // namespace varstored::pool
