#include "sqlite_disk.h"

#include <algorithm>
#include <new>
#include <set>
#include <utility>

extern "C" {

// The linker's names.
int __real_sqlite3_open_v2(const char* name, sqlite3** connection, int flags, const char* vfs);
int __wrap_sqlite3_open_v2(const char* name, sqlite3** connection, int flags, const char* vfs);

/// For the linker: what is called sqlite3_open_v2 in the sources.
int __wrap_sqlite3_open_v2(const char* name, sqlite3** connection, int flags, const char* vfs) {
  auto* const disk = varstored::test::SqliteDisk::Current();
  sqlite3_vfs* const real = vfs == nullptr ? nullptr : sqlite3_vfs_find(vfs);
  return disk == nullptr || real == nullptr ? __real_sqlite3_open_v2(name, connection, flags, vfs)
                                            : disk->Open(name, connection, flags, *real);
}
}

namespace varstored::test {
namespace {

using Kind = DiskOperation::Kind;

/// A file as SQLite sees it, in front of the operating system's.
struct File : sqlite3_file {
  SqliteDisk* disk = nullptr;
  std::string name;
  std::unique_ptr<std::byte[]>
      memory;  // NOLINT(*-avoid-c-arrays): of the size that the VFS asks for
  sqlite3_file* real = nullptr;
};

File& Of(sqlite3_file* file) { return *static_cast<File*>(file); }

int Close(sqlite3_file* file) {
  const int code = Of(file).real->pMethods->xClose(Of(file).real);
  Of(file).~File();
  return code;
}

int Read(sqlite3_file* file, void* buffer, int size, sqlite3_int64 offset) {
  const int fault = Of(file).disk->Begin({Kind::kRead, Of(file).name, offset});
  return fault != SQLITE_OK ? fault
                            : Of(file).real->pMethods->xRead(Of(file).real, buffer, size, offset);
}

int Write(sqlite3_file* file, const void* buffer, int size, sqlite3_int64 offset) {
  const auto* bytes = static_cast<const std::uint8_t*>(buffer);
  const int fault =
      Of(file).disk->Begin({Kind::kWrite, Of(file).name, offset, base::Bytes(bytes, bytes + size)});
  return fault != SQLITE_OK ? fault
                            : Of(file).real->pMethods->xWrite(Of(file).real, buffer, size, offset);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const int fault = Of(file).disk->Begin({Kind::kTruncate, Of(file).name, size});
  return fault != SQLITE_OK ? fault : Of(file).real->pMethods->xTruncate(Of(file).real, size);
}

int Sync(sqlite3_file* file, int flags) {
  const int fault = Of(file).disk->Begin({Kind::kSync, Of(file).name});
  if (fault != SQLITE_OK || Of(file).disk->skips_syncs()) {
    return fault;
  }
  return Of(file).real->pMethods->xSync(Of(file).real, flags);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Of(file).real->pMethods->xFileSize(Of(file).real, size);
}

int Lock(sqlite3_file* file, int level) {
  return Of(file).real->pMethods->xLock(Of(file).real, level);
}

int Unlock(sqlite3_file* file, int level) {
  return Of(file).real->pMethods->xUnlock(Of(file).real, level);
}

int CheckReservedLock(sqlite3_file* file, int* result) {
  return Of(file).real->pMethods->xCheckReservedLock(Of(file).real, result);
}

int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Of(file).real->pMethods->xFileControl(Of(file).real, operation, argument);
}

int SectorSize(sqlite3_file* file) { return Of(file).real->pMethods->xSectorSize(Of(file).real); }

int DeviceCharacteristics(sqlite3_file* file) {
  return Of(file).real->pMethods->xDeviceCharacteristics(Of(file).real);
}

// Version 1 ends before the methods of shared memory.
constexpr sqlite3_io_methods kMethods = {1,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr};

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

SqliteDisk* current = nullptr;

/// All other methods are those of the file system behind.
int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out) {
  sqlite3_vfs& real = *static_cast<SqliteDisk::FileSystem*>(vfs)->real;
  File& opened = *new (file) File();
  opened.pMethods = nullptr;
  opened.disk = current;
  opened.name = BaseName(path == nullptr ? "" : path);
  opened.memory = std::make_unique<std::byte[]>(  // NOLINT(*-avoid-c-arrays)
      static_cast<std::size_t>(real.szOsFile));
  opened.real = static_cast<sqlite3_file*>(static_cast<void*>(opened.memory.get()));
  if (const int code = real.xOpen(&real, path, opened.real, flags, flags_out); code != SQLITE_OK) {
    opened.~File();
    file->pMethods = nullptr;
    return code;
  }
  opened.pMethods = &kMethods;
  return SQLITE_OK;
}

/// What is known of a file while a log is replayed.
struct Replayed {
  base::Bytes content;  // for good
  std::vector<DiskOperation> unsynced;
};

void Grow(base::Bytes& content, std::size_t size) {
  content.resize(std::max(content.size(), size));
}

void Apply(base::Bytes& content, const DiskOperation& operation) {
  const auto offset = static_cast<std::size_t>(operation.offset);
  if (operation.kind == Kind::kTruncate) {
    content.resize(offset);
  } else if (operation.kind == Kind::kWrite) {
    Grow(content, offset + operation.data.size());
    std::copy(operation.data.begin(), operation.data.end(),
              content.begin() + static_cast<std::ptrdiff_t>(offset));
  }
}

/// As a disk may be found that had not been told to hurry.
void ApplyInPart(base::Bytes& content, const DiskOperation& operation, std::mt19937& random) {
  constexpr std::size_t kSector = 512;
  const auto happened = [&random] { return (random() & 1U) != 0; };
  if (operation.kind != Kind::kWrite) {
    if (happened()) {
      Apply(content, operation);
    }
    return;
  }
  const std::size_t size = operation.data.size();
  const auto offset = static_cast<std::size_t>(operation.offset);
  if (happened()) {
    Grow(content, offset + size);
  }
  for (std::size_t begin = 0; begin < size;) {
    const std::size_t end = std::min(size, (offset + begin) / kSector * kSector + kSector - offset);
    if (happened()) {
      DiskOperation sector{Kind::kWrite, {}, static_cast<std::int64_t>(offset + begin)};
      sector.data.assign(operation.data.begin() + static_cast<std::ptrdiff_t>(begin),
                         operation.data.begin() + static_cast<std::ptrdiff_t>(end));
      Apply(content, sector);
    }
    begin = end;
  }
}

}  // namespace

SqliteDisk::SqliteDisk() { current = this; }

SqliteDisk::~SqliteDisk() { current = nullptr; }

SqliteDisk* SqliteDisk::Current() { return current; }

int SqliteDisk::Open(const char* name, sqlite3** connection, int flags, sqlite3_vfs& real) {
  FileSystem& vfs = file_systems_.emplace_back(FileSystem{{real}, &real});
  vfs.zName = "test-disk";
  vfs.szOsFile = sizeof(File);
  vfs.xOpen = test::Open;
  sqlite3_vfs_register(&vfs, 0);
  const int code = __real_sqlite3_open_v2(name, connection, flags, vfs.zName);
  sqlite3_vfs_unregister(&vfs);
  return code;
}

std::size_t SqliteDisk::Count(DiskOperation::Kind kind) const {
  return static_cast<std::size_t>(std::count_if(
      log_.begin(), log_.end(), [kind](const auto& operation) { return operation.kind == kind; }));
}

int SqliteDisk::Begin(DiskOperation operation) {
  const int code = fault_ ? fault_(operation) : SQLITE_OK;
  if (code == SQLITE_OK && operation.kind != Kind::kRead) {
    log_.push_back(std::move(operation));
  }
  return code;
}

FolderContent AfterPowerCut(const FolderContent& before, const std::vector<DiskOperation>& log,
                            std::size_t count, Unsynced unsynced, std::mt19937& random) {
  std::map<std::string, Replayed> files;
  for (const auto& [name, content] : before) {
    files[name] = {content, {}};
  }
  for (std::size_t i = 0; i < count; ++i) {
    const DiskOperation& operation = log.at(i);
    Replayed& file = files[operation.file];
    if (operation.kind == Kind::kSync) {
      for (const DiskOperation& done : file.unsynced) {
        Apply(file.content, done);
      }
      file.unsynced.clear();
    } else {
      file.unsynced.push_back(operation);
    }
  }
  FolderContent after;
  for (auto& [name, file] : files) {
    for (const DiskOperation& operation : file.unsynced) {
      if (unsynced == Unsynced::kKept) {
        Apply(file.content, operation);
      } else if (unsynced == Unsynced::kRandom) {
        ApplyInPart(file.content, operation, random);
      }
    }
    after[name] = std::move(file.content);
  }
  return after;
}

}  // namespace varstored::test
