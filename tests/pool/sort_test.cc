#include "varstored/pool/sort.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "varstored/pool/entry.h"

namespace varstored::pool {
namespace {

Row RowWith(std::string name, std::string room, std::uint32_t errors = 0) {
  Row row;
  row.cells[0] = std::move(name);
  row.cells.at(static_cast<std::size_t>(Column::kRoom)) = std::move(room);
  row.errors = errors;
  return row;
}

std::string NamesOf(const Gathered& gathered) {
  std::string names;
  for (const Row& row : gathered.rows()) {
    names += row.cells[0];
  }
  return names;
}

TEST(Gathered, KeepsNoMoreRowsThanItsBoundAndOfALongTextTheFront) {
  Gathered gathered(2);
  ASSERT_TRUE(gathered.Add(RowWith("a", "1")));
  Row row = RowWith(std::string(5000, 'n'), "1");
  row.error = std::string(5000, 'e');
  ASSERT_TRUE(gathered.Add(std::move(row)));
  const auto added = gathered.Add(RowWith("c", "1"));
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("more than 2 VMs"), std::string::npos);
  ASSERT_EQ(gathered.rows().size(), 2U);
  EXPECT_EQ(gathered.rows()[1].cells[0], std::string(Gathered::kMostTextBytes, 'n'));
  EXPECT_EQ(gathered.rows()[1].error, std::string(Gathered::kMostTextBytes, 'e'));
}

TEST(Gathered, NumbersAreSortedAsSuchAndWhatCannotBeReadStandsFirst) {
  Gathered gathered;
  Row broken = RowWith("x", "99999");
  broken.error = "gone";
  for (Row row : {RowWith("a", "10000"), RowWith("b", "9"), RowWith("c", "--"),
                  RowWith("e", "9", 1), broken}) {
    ASSERT_TRUE(gathered.Add(std::move(row)));
  }
  gathered.Sort(Column::kRoom);
  EXPECT_EQ(NamesOf(gathered), "xceba");
  gathered.Sort(std::nullopt);
  EXPECT_EQ(NamesOf(gathered), "xeabc");
  gathered.Sort(Column::kName);
  EXPECT_EQ(NamesOf(gathered), "xabce");
}

TEST(ParseSortKey, KnowsEveryColumnAndNamesThemAll) {
  EXPECT_EQ(*ParseSortKey("worst"), std::nullopt);
  EXPECT_EQ(*ParseSortKey(""), std::nullopt);
  for (std::size_t i = 0; i < kColumns; ++i) {
    EXPECT_EQ(*ParseSortKey(kColumnNames.at(i)), static_cast<Column>(i));
  }
  const auto unknown = ParseSortKey("size");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            "--sort takes worst, name, mode, wanted, on, 2011, 2023, dbx, svn or room");
}

}  // namespace
}  // namespace varstored::pool
