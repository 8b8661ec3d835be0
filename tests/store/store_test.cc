#include "varstored/store/store.h"

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "store/entries.h"
#include "varstored/base/bytes.h"

namespace varstored::store {
namespace {

using base::Bytes;

/// A store that a walk gives in this order.
Store MakeStore(const std::vector<Entry>& entries) {
  Store store;
  for (const Entry& entry : entries) {
    store.Append(entry);
  }
  return store;
}

std::size_t Sum(const std::vector<Entry>& entries) {
  std::size_t used = 0;
  for (const Entry& entry : entries) {
    used += entry.name().size() + entry.data().size() + 128;
  }
  return used;
}

const Entry kA = MakeVariable("A", {1});
const Entry kB = MakeVariable("B", {1, 2});
const Entry kC = MakeVariable("C", {1, 2, 3});
const Entry kLongerB = MakeVariable("B", {9, 9, 9, 9, 9});

TEST(Store, IsEmptyAtFirst) {
  const Store store;
  EXPECT_EQ(store.size(), 0U);
  EXPECT_EQ(store.used_bytes(), 0U);
  EXPECT_EQ(store.First(), nullptr);
  EXPECT_EQ(store.Find(KeyOf(kA)), nullptr);
  EXPECT_EQ(store.ancillary(), Ancillary());
}

TEST(Store, FindsByNameAndVendor) {
  const Entry other = MakeVariable("A", {7}, kOtherVendor);
  const Entry longer = MakeVariable("AA", {8});
  const Store store = MakeStore({kA, other, longer});
  EXPECT_EQ(*store.Find(KeyOf(kA)), kA);
  EXPECT_EQ(*store.Find(KeyOf(other)), other);
  EXPECT_EQ(*store.Find(KeyOf(longer)), longer);
  EXPECT_EQ(store.Find({longer.name(), kOtherVendor}), nullptr);
  EXPECT_EQ(store.Find({"A", kVendor}), nullptr) << "a name is UTF-16";
  EXPECT_EQ(store.Find({"", kVendor}), nullptr);
}

TEST(Store, HashesNameAndVendor) {
  EXPECT_EQ(KeyHash()(KeyOf(kA)), KeyHash()(KeyOf(MakeVariable("A", {2}))));
  EXPECT_NE(KeyHash()(KeyOf(kA)), KeyHash()({kA.name(), kOtherVendor}));
  EXPECT_NE(KeyHash()(KeyOf(kA)), KeyHash()({kB.name(), kVendor}));
}

TEST(Store, L05_OddNamesAreFoundUnderTheirExactBytes) {
  const Entry odd = MakeLegacy(std::string("A\0B", 3), {1});
  const Entry with_nul = MakeLegacy(std::string("A\0\0\0", 4), {2});
  const Store store = MakeStore({odd, with_nul, kA});
  EXPECT_EQ(*store.Find({std::string_view("A\0B", 3), kVendor}), odd);
  EXPECT_EQ(*store.Find({std::string_view("A\0\0\0", 4), kVendor}), with_nul);
  EXPECT_EQ(*store.Find({std::string_view("A\0", 2), kVendor}), kA);
  EXPECT_EQ(store.Find({std::string_view("A\0B\0", 4), kVendor}), nullptr);
}

TEST(Store, LoadingKeepsTheOrderAndTheLaterOfTwo) {
  Store store = MakeStore({kA, kB, kC});
  EXPECT_EQ(Walk(store), (std::vector<Entry>{kA, kB, kC}));
  EXPECT_EQ(store.used_bytes(), Sum({kA, kB, kC}));
  store.Append(kLongerB);
  EXPECT_EQ(Walk(store), (std::vector<Entry>{kA, kLongerB, kC}));
  EXPECT_EQ(store.size(), 3U);
  EXPECT_EQ(store.used_bytes(), Sum({kA, kLongerB, kC}));
  EXPECT_EQ(*store.Find(KeyOf(kB)), kLongerB);
  store.Append(MakeVariable("C", {4}));
  store.Append(MakeVariable("A", {4}));
  EXPECT_EQ(Walk(store),
            (std::vector<Entry>{MakeVariable("A", {4}), kLongerB, MakeVariable("C", {4})}));
}

TEST(Store, CanBeMoved) {
  Store first = MakeStore({kA, kB});
  Store second = std::move(first);
  EXPECT_EQ(Walk(second), (std::vector<Entry>{kA, kB}));
  Store third;
  third = std::move(second);
  StagedStore staged(third);
  staged.Put(kC);
  staged.Erase(KeyOf(kA));
  third.Apply(std::move(staged));
  EXPECT_EQ(Walk(third), (std::vector<Entry>{kC, kB}));
  EXPECT_EQ(third.used_bytes(), Sum({kC, kB}));
}

TEST(StagedStore, NothingIsSeenBeforeApply) {
  Store store = MakeStore({kA, kB});
  const Entry* a = store.Find(KeyOf(kA));
  StagedStore staged(store);
  staged.Put(kC);
  staged.Put(kLongerB);
  staged.Erase(KeyOf(kA));
  staged.SetAncillary({.ppi_index = 7});

  EXPECT_EQ(Walk(store), (std::vector<Entry>{kA, kB}));
  EXPECT_EQ(store.Find(KeyOf(kA)), a);
  EXPECT_EQ(store.Find(KeyOf(kC)), nullptr);
  EXPECT_EQ(store.size(), 2U);
  EXPECT_EQ(store.used_bytes(), Sum({kA, kB}));
  EXPECT_EQ(store.ancillary().ppi_index, 0U);

  EXPECT_EQ(*staged.Find(KeyOf(kC)), kC);
  EXPECT_EQ(*staged.Find(KeyOf(kB)), kLongerB);
  EXPECT_EQ(staged.Find(KeyOf(kA)), nullptr);
  EXPECT_EQ(staged.size(), 2U);
  EXPECT_EQ(staged.used_bytes(), Sum({kC, kLongerB}));
  EXPECT_EQ(staged.ancillary().ppi_index, 7U);
  EXPECT_EQ(Walk(staged), (std::vector<Entry>{kC, kLongerB}));

  store.Apply(std::move(staged));
  EXPECT_EQ(Walk(store), (std::vector<Entry>{kC, kLongerB}));
  EXPECT_EQ(store.size(), 2U);
  EXPECT_EQ(store.used_bytes(), Sum({kC, kLongerB}));
  EXPECT_EQ(store.ancillary().ppi_index, 7U);
  EXPECT_EQ(store.Find(KeyOf(kA)), nullptr);
}

TEST(StagedStore, WhatIsNotAppliedNeverWas) {
  const Store store = MakeStore({kA, kB});
  {
    StagedStore staged(store);
    staged.Put(kC);
    staged.Erase(KeyOf(kA));
  }
  EXPECT_EQ(Walk(store), (std::vector<Entry>{kA, kB}));
  EXPECT_EQ(*store.Find(KeyOf(kA)), kA);
}

TEST(StagedStore, NewEntriesComeFirstTheLastBeforeTheOthers) {
  const Entry d = MakeVariable("D", {4});
  Store store = MakeStore({kA});
  StagedStore staged(store);
  staged.Put(kB);
  staged.Put(kC);
  staged.Put(kLongerB);  // does not make it newer
  staged.Put(d);
  const std::vector<Entry> expected = {d, kC, kLongerB, kA};
  EXPECT_EQ(Walk(staged), expected);
  store.Apply(std::move(staged));
  EXPECT_EQ(Walk(store), expected);
}

TEST(StagedStore, AReplacedEntryKeepsItsPlace) {
  for (const Entry& old : {kA, kB, kC}) {
    const Entry replacement = MakeVariable(std::string(1, old.name()[0]), {7, 7});
    for (const bool erase_first : {false, true}) {
      Store store = MakeStore({kA, kB, kC});
      StagedStore staged(store);
      if (erase_first) {
        staged.Erase(KeyOf(old));
      }
      staged.Put(replacement);
      std::vector<Entry> expected = {kA, kB, kC};
      std::replace(expected.begin(), expected.end(), Entry(old), replacement);
      EXPECT_EQ(Walk(staged), expected);
      store.Apply(std::move(staged));
      EXPECT_EQ(Walk(store), expected);
      EXPECT_EQ(store.used_bytes(), Sum(expected));
    }
  }
}

TEST(StagedStore, UntouchedEntriesStayWhereTheyAre) {
  Store store = MakeStore({kA, kB, kC});
  const Entry* a = store.Find(KeyOf(kA));
  const Entry* c = store.Find(KeyOf(kC));
  StagedStore staged(store);
  staged.Put(kLongerB);
  staged.Put(MakeVariable("D", {1}));
  store.Apply(std::move(staged));
  EXPECT_EQ(store.Find(KeyOf(kA)), a);
  EXPECT_EQ(store.Find(KeyOf(kC)), c);
  EXPECT_EQ(store.After(*a)->data(), kLongerB.data());
  EXPECT_EQ(store.After(*c), nullptr);
}

TEST(StagedStore, WhatEndsAsItWasIsNoChange) {
  Store store = MakeStore({kA, kB});
  store.SetAncillary({.ppi_index = 1});
  const auto expect_unchanged = [&store](const std::string& what, auto stage) {
    StagedStore staged(store);
    stage(staged);
    EXPECT_FALSE(staged.changed()) << what;
    EXPECT_TRUE(staged.Changes().empty()) << what;
    EXPECT_EQ(staged.size(), 2U) << what;
    EXPECT_EQ(staged.used_bytes(), Sum({kA, kB})) << what;
    EXPECT_EQ(Walk(staged), (std::vector<Entry>{kA, kB})) << what;
    store.Apply(std::move(staged));
    EXPECT_EQ(Walk(store), (std::vector<Entry>{kA, kB})) << what;
    EXPECT_EQ(store.used_bytes(), Sum({kA, kB})) << what;
  };
  expect_unchanged("nothing", [](StagedStore&) {});
  expect_unchanged("an equal entry", [](StagedStore& staged) { staged.Put(kB); });
  expect_unchanged("replaced and put back", [](StagedStore& staged) {
    staged.Put(kLongerB);
    EXPECT_TRUE(staged.changed());
    staged.Put(kB);
  });
  expect_unchanged("erased and put back", [](StagedStore& staged) {
    staged.Erase(KeyOf(kB));
    EXPECT_TRUE(staged.changed());
    staged.Put(kB);
  });
  expect_unchanged("replaced, erased and put back", [](StagedStore& staged) {
    staged.Put(kLongerB);
    staged.Erase(KeyOf(kB));
    staged.Put(kB);
  });
  expect_unchanged("erased without being there",
                   [](StagedStore& staged) { staged.Erase(KeyOf(kC)); });
  expect_unchanged("new and erased", [](StagedStore& staged) {
    staged.Put(kC);
    EXPECT_TRUE(staged.changed());
    staged.Erase(KeyOf(kC));
    staged.Erase(KeyOf(kC));
  });
  expect_unchanged("the same ancillary state",
                   [](StagedStore& staged) { staged.SetAncillary({.ppi_index = 1}); });
  expect_unchanged("the ancillary state changed and changed back", [](StagedStore& staged) {
    staged.SetAncillary({.ppi_index = 2});
    EXPECT_TRUE(staged.changed());
    EXPECT_TRUE(staged.Changes().empty());
    staged.SetAncillary({.ppi_index = 1});
  });
}

TEST(StagedStore, ChangesTellBeforeAndAfterInTheirOrder) {
  Store store = MakeStore({kA, kB, kC});
  StagedStore staged(store);
  const Entry d = MakeVariable("D", {4});
  const Entry e = MakeVariable("E", {5});
  staged.Put(d);
  staged.Erase(KeyOf(kA));
  staged.Put(e);
  staged.Put(kLongerB);
  staged.Erase(KeyOf(d));
  staged.Put(MakeVariable("E", {6}));

  const auto changes = staged.Changes();
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].before, store.Find(KeyOf(kA)));
  EXPECT_EQ(changes[0].after, nullptr);
  EXPECT_EQ(changes[1].before, nullptr);
  EXPECT_EQ(changes[1].after, staged.Find(KeyOf(e)));
  EXPECT_EQ(changes[1].after->data(), Bytes{6});
  EXPECT_EQ(changes[2].before, store.Find(KeyOf(kB)));
  EXPECT_EQ(*changes[2].after, kLongerB);
}

TEST(StagedStore, AKeyMayBelongToTheEntryThatGoes) {
  Store store = MakeStore({kA, kB});
  StagedStore staged(store);
  staged.Put(kC);
  staged.Put(kLongerB);
  staged.Erase(KeyOf(*staged.Find(KeyOf(kC))));
  staged.Erase(KeyOf(*staged.Find(KeyOf(kB))));
  EXPECT_EQ(Walk(staged), std::vector<Entry>{kA});
  store.Apply(std::move(staged));
  EXPECT_EQ(Walk(store), std::vector<Entry>{kA});
}

TEST(StagedStore, CanBeMovedBeforeItIsApplied) {
  Store store = MakeStore({kA});
  StagedStore staged(store);
  staged.Put(kB);
  StagedStore moved = std::move(staged);
  moved.Put(kC);
  EXPECT_EQ(*moved.Find(KeyOf(kB)), kB);
  store.Apply(std::move(moved));
  EXPECT_EQ(Walk(store), (std::vector<Entry>{kC, kB, kA}));
}

/// What a StagedStore is, told in the simplest way.
class Model {
 public:
  explicit Model(std::vector<Entry> base)
      : base_(std::move(base)), kept_(base_.begin(), base_.end()) {}

  void Put(const Entry& entry) {
    if (std::optional<Entry>* kept = InBase(KeyOf(entry))) {
      *kept = entry;
    } else if (const auto added = InAdded(KeyOf(entry)); added != added_.end()) {
      *added = entry;
    } else {
      added_.push_back(entry);
    }
  }

  void Erase(const Key& key) {
    if (std::optional<Entry>* kept = InBase(key)) {
      kept->reset();
    } else if (const auto added = InAdded(key); added != added_.end()) {
      added_.erase(added);
    }
  }

  [[nodiscard]] std::vector<Entry> Walked() const {
    std::vector<Entry> all(added_.rbegin(), added_.rend());
    for (const std::optional<Entry>& entry : kept_) {
      if (entry) {
        all.push_back(*entry);
      }
    }
    return all;
  }

  [[nodiscard]] std::size_t changes() const {
    std::size_t changes = added_.size();
    for (std::size_t i = 0; i < base_.size(); ++i) {
      changes += kept_[i] == base_[i] ? 0U : 1U;
    }
    return changes;
  }

 private:
  std::optional<Entry>* InBase(const Key& key) {
    for (std::size_t i = 0; i < base_.size(); ++i) {
      if (KeyOf(base_[i]) == key) {
        return &kept_[i];
      }
    }
    return nullptr;
  }
  std::vector<Entry>::iterator InAdded(const Key& key) {
    return std::find_if(added_.begin(), added_.end(),
                        [&key](const Entry& entry) { return KeyOf(entry) == key; });
  }

  std::vector<Entry> base_;
  std::vector<std::optional<Entry>> kept_;
  std::vector<Entry> added_;
};

class Randomly : public testing::TestWithParam<unsigned> {
 protected:
  std::size_t Pick(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
  }

  /// One of 20 names, with few different contents: so that equal ones are met.
  Entry AnyEntry() {
    const std::size_t name = Pick(10);
    Bytes data(1 + Pick(3), static_cast<std::uint8_t>(Pick(2)));
    const efi::Guid& vendor = Pick(2) == 0 ? kVendor : kOtherVendor;
    return name == 0 ? MakeLegacy("odd", std::move(data), vendor)
                     : MakeVariable(std::string(name, 'n'), std::move(data), vendor);
  }

  static void ExpectEqual(const StagedStore& staged, const Store& store, const Model& model,
                          const std::vector<Entry>& base) {
    const std::vector<Entry> expected = model.Walked();
    ASSERT_EQ(Walk(staged), expected);
    ASSERT_EQ(staged.size(), expected.size());
    ASSERT_EQ(staged.used_bytes(), Sum(expected));
    ASSERT_EQ(staged.changed(), model.changes() != 0);
    const auto changes = staged.Changes();
    ASSERT_EQ(changes.size(), model.changes());
    for (const StagedStore::Change& change : changes) {
      const Key key = KeyOf(change.after != nullptr ? *change.after : *change.before);
      ASSERT_EQ(change.before, store.Find(key));
      ASSERT_EQ(change.after, staged.Find(key));
    }
    ASSERT_EQ(Walk(store), base) << "seen before Apply";
    ASSERT_EQ(store.used_bytes(), Sum(base));
  }

 private:
  std::mt19937 random_{GetParam()};
};

TEST_P(Randomly, AStagedStoreIsAsTheModelSays) {
  Store store;
  for (int round = 0; round < 60; ++round) {
    const std::vector<Entry> base = Walk(store);
    Model model(base);
    StagedStore staged(store);
    for (std::size_t step = Pick(12); step > 0; --step) {
      const Entry entry = AnyEntry();
      if (Pick(5) < 3) {
        model.Put(entry);
        staged.Put(entry);
      } else {
        model.Erase(KeyOf(entry));
        staged.Erase(KeyOf(entry));
      }
      ASSERT_NO_FATAL_FAILURE(ExpectEqual(staged, store, model, base));
    }
    if (Pick(4) != 0) {
      store.Apply(std::move(staged));
      const std::vector<Entry> expected = model.Walked();
      ASSERT_EQ(Walk(store), expected);
      ASSERT_EQ(store.size(), expected.size());
      ASSERT_EQ(store.used_bytes(), Sum(expected));
      for (const Entry& entry : expected) {
        ASSERT_EQ(*store.Find(KeyOf(entry)), entry);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Randomly, testing::Range(1U, 21U));

}  // namespace
}  // namespace varstored::store
