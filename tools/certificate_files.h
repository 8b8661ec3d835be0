#pragma once

#include <string>
#include <string_view>

#include "varstored/base/log.h"
#include "varstored/base/result.h"
#include "varstored/store/store.h"

/// The certificates of a VM's keys as files.
namespace varstored::tools {

/// For a helper process: every certificate of PK, KEK, db, dbx, dbt and dbr, as text for
/// WriteCertificates. More than a thousand are an error. What cannot be read is left out, with a
/// warning.
[[nodiscard]] base::Result<std::string> CertificatesIn(const store::Store& store, base::Log& log);

/// Makes a PEM file of each in `folder`, which is made where it is missing, and gives the files'
/// paths, one a line. A name is that of the variable, a number that no other has there, and what of
/// the subject is letters, digits, dots and dashes: "db-1-Windows_UEFI_CA_2023.pem". Nothing is
/// replaced: a file that is there is an error, and so are texts that CertificatesIn does not give.
[[nodiscard]] base::Result<std::string> WriteCertificates(const std::string& folder,
                                                          std::string_view certificates);

}  // namespace varstored::tools
