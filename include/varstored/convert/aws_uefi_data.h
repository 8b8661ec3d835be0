#pragma once

#include <cstddef>
#include <string_view>

#include "varstored/base/bytes.h"
#include "varstored/base/result.h"
#include "varstored/convert/content.h"

namespace varstored::convert {

/// The largest UefiData, as text and as what is compressed in it, in bytes: that is 16 of the
/// stores that varstored loads.
inline constexpr std::size_t kMaxAwsBytes = std::size_t{4} * 1024 * 1024;

/// Whether a text is UefiData, in base64 or in JSON.
[[nodiscard]] bool IsAwsUefiData(std::string_view text);

/// Reads the variables of an instance of AWS's EC2, as `aws ec2 get-instance-uefi-data` prints
/// them: UefiData, a blob in base64, alone or as a member of a JSON object. Fields are little
/// endian:
///
///     "AMZNUEFI" | u32 CRC-32C of all that follows | u32 version, 0 |
///     zlib stream (RFC 1950) with AwsDictionary() as its preset dictionary, of:
///         u64 count, and for each variable
///         u64 size, name in UTF-8 | u64 size, data | 16 bytes GUID | u32 attributes, and with
///         EFI_VARIABLE_TIME_BASED_AUTHENTICATED_WRITE_ACCESS
///             16 bytes EFI_TIME, 0 for none | u64 size, digest of the signer, 0 for none
///
/// Digests are EDK II's. A blob that ends early, has bytes behind its end, or whose sum is wrong is
/// an error, and so are another version and a name that cannot be one. The form is that of
/// github.com/awslabs/python-uefivars, pyuefivars/aws.py.
[[nodiscard]] base::Result<Content> ReadAwsUefiData(base::ByteSpan text);

/// The reverse, base64 as `aws ec2 register-image --uefi-data` takes it. A name that UTF-8 cannot
/// carry is a loss. An error when there is no memory.
[[nodiscard]] base::Result<Written> WriteAwsUefiData(const Content& content);

/// What AWS compresses all blobs of version 0 against.
[[nodiscard]] base::ByteSpan AwsDictionary();

}  // namespace varstored::convert
