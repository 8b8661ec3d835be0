#include "pool_helper.h"

#include <memory>

#include "varstored/backend/xapi.h"

namespace varstored::pool {

base::Result<sandbox::Helper> StartPoolHelper(const ToolstackOptions& options, sandbox::Stop& stop,
                                              const PoolAnswer& answer) {
  return sandbox::Helper::Start(
      {.keeps = sandbox::HelperKeeps::kConnecting, .stop = &stop},
      [&options, &answer](int stop_fd, base::Log& /*lines*/) -> sandbox::Helper::Work {
        const auto pool = std::make_shared<backend::Pool>(backend::PoolOptions{
            .socket_path = options.socket.value_or(backend::XapiOptions().socket_path),
            .patience = options.wait,
            .stop_fd = stop_fd});
        return [pool, answer](base::ByteSpan request) { return answer(*pool, request); };
      });
}

}  // namespace varstored::pool
