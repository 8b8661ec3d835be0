#include "xml_rpc.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace varstored::backend {
namespace {

std::string Envelope(const std::string& struct_content) {
  return "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>" + struct_content +
         "</struct></value></param></params></methodResponse>";
}
std::string Member(const std::string& name, const std::string& value) {
  return "<member><name>" + name + "</name>" + value + "</member>";
}
std::string Success(const std::string& value) {
  return Envelope(Member("Status", "<value>Success</value>") + Member("Value", value));
}
std::string Failed(const std::string& description) {
  return Envelope(Member("Status", "<value>Failure</value>") +
                  Member("ErrorDescription", description));
}

/// The value of a good answer; a failed expectation and an empty value otherwise.
XmlRpcValue ValueIn(const std::string& xml) {
  const auto answer = DecodeAnswer(xml);
  EXPECT_TRUE(answer) << xml;
  if (!answer) {
    return {};
  }
  EXPECT_TRUE(*answer) << xml;
  return *answer ? **answer : XmlRpcValue();
}
MethodFailure FailureIn(const std::string& xml) {
  const auto answer = DecodeAnswer(xml);
  EXPECT_TRUE(answer) << xml;
  if (!answer) {
    return {};
  }
  EXPECT_FALSE(*answer) << xml;
  return *answer ? MethodFailure() : answer->error();
}

TEST(MethodCall, ParametersAreTypedAndEscaped) {
  MethodCall call("VM.call");
  call.Add("a<b>&\"'c").Add(-5).Add("");
  EXPECT_EQ(call.Encode(),
            "<?xml version='1.0'?><methodCall><methodName>VM.call</methodName><params>"
            "<param><value><string>a&lt;b&gt;&amp;\"'c</string></value></param>"
            "<param><value><int>-5</int></value></param>"
            "<param><value><string></string></value></param></params></methodCall>");
}

TEST(DecodeAnswer, ScalarsOfEveryFormAreText) {
  struct Case {
    std::string value;
    std::string text;
  };
  const std::vector<Case> cases = {
      {"<value>bare</value>", "bare"},
      {"<value><string>typed</string></value>", "typed"},
      {"<value>\n  <string>typed</string>\n</value>", "typed"},
      {"<value><int>5</int></value>", "5"},
      {"<value><i4>-5</i4></value>", "-5"},
      {"<value><boolean>1</boolean></value>", "1"},
      {"<value>a &lt;&amp;&gt;&quot;&apos;&#65;&#x42; b</value>", "a <&>\"'AB b"},
      {"<value><![CDATA[<raw>]]></value>", "<raw>"},
      {"<value><![CDATA[]]></value>", ""},
      {"<value>in <!-- no --><?no?>pieces</value>", "in pieces"},
      {"<value><nil/></value>", ""},
      {"<value></value>", ""},
      {"<value/>", ""},
      {"<value><string/></value>", ""},
      {"<value>\xc3\xa9</value>", "\xc3\xa9"},
  };
  for (const Case& row : cases) {
    const XmlRpcValue value = ValueIn(Success(row.value));
    EXPECT_EQ(value.text, row.text) << row.value;
    EXPECT_EQ(value.kind, XmlRpcValue::Kind::kScalar) << row.value;
  }
}

TEST(DecodeAnswer, ValueMayBeAbsent) {
  EXPECT_EQ(ValueIn(Envelope(Member("Status", "<value>Success</value>"))).text, "");
}

TEST(DecodeAnswer, MembersAreFoundByNameInAnyOrder) {
  const std::string nvram =
      "<value><struct>" + Member("other", "<value>1</value>") +
      Member("EFI-variables", "<value>VkFSUw==</value>") +
      Member("nested", "<value><struct>" + Member("EFI-variables", "<value>no</value>") +
                           "</struct></value>") +
      "</struct></value>";
  const XmlRpcValue value =
      ValueIn(Envelope(Member("Value", nvram) + Member("new", "<value><nil/></value>") +
                       Member("Status", "<value><string>Success</string></value>")));
  EXPECT_EQ(value.kind, XmlRpcValue::Kind::kStruct);
  ASSERT_NE(value.Member("EFI-variables"), nullptr);
  EXPECT_EQ(value.Member("EFI-variables")->text, "VkFSUw==");
  EXPECT_EQ(value.Member("efi-variables"), nullptr);
}

TEST(DecodeAnswer, AnEmptyStructIsAStruct) {
  for (const char* form : {"<value><struct/></value>", "<value><struct></struct></value>",
                           "<value><struct> </struct></value>"}) {
    EXPECT_EQ(ValueIn(Success(form)).kind, XmlRpcValue::Kind::kStruct) << form;
  }
}

TEST(DecodeAnswer, ArraysKeepTheirOrder) {
  const XmlRpcValue value =
      ValueIn(Success("<value><array> <data><value>a</value> <value><array><data/></array></value>"
                      "<value><int>2</int></value></data> </array></value>"));
  EXPECT_EQ(value.kind, XmlRpcValue::Kind::kArray);
  ASSERT_EQ(value.items.size(), 3U);
  EXPECT_EQ(value.items[0].text, "a");
  EXPECT_EQ(value.items[1].kind, XmlRpcValue::Kind::kArray);
  EXPECT_EQ(value.items[2].text, "2");
}

TEST(DecodeAnswer, DescriptionsOfEveryShapeAreOneList) {
  struct Case {
    std::string description;
    std::vector<std::string> texts;
  };
  const std::vector<Case> cases = {
      {"<value><array><data><value>CODE</value><value>x</value></data></array></value>",
       {"CODE", "x"}},
      {"<value>Unknown_error</value>", {"Unknown_error"}},
      {"<value><string>Unknown_error</string></value>", {"Unknown_error"}},
      {"<value><array><data><value><array><data><value>CODE</value></data></array></value>"
       "<value><array><data><value>x</value></data></array></value></data></array></value>",
       {"CODE", "x"}},
      {"<value><struct>" + Member("code", "<value>CODE</value>") + "</struct></value>", {"CODE"}},
      {"<value><array><data/></array></value>", {}},
      {"<value/>", {}},
  };
  for (const Case& row : cases) {
    const MethodFailure failure = FailureIn(Failed(row.description));
    EXPECT_EQ(failure.description, row.texts) << row.description;
    EXPECT_EQ(failure.code(), row.texts.empty() ? "" : row.texts.front());
  }
  EXPECT_EQ(FailureIn(Envelope(Member("Status", "<value>Failure</value>"))).Text(),
            "no reason was given");
}

TEST(DecodeAnswer, AFaultIsAFailure) {
  const MethodFailure failure =
      FailureIn("<methodResponse><fault><value><struct>" +
                Member("faultCode", "<value><int>4</int></value>") +
                Member("faultString", "<value><string>Too many</string></value>") +
                "</struct></value></fault></methodResponse>");
  EXPECT_EQ(failure.Text(), "4, Too many");
}

TEST(MethodFailure, WordsAreFoundInsideOfEveryPart) {
  const MethodFailure failure = {{"Internal_error", "Rpc.UnknownMethod(\"VM.x\")"}};
  EXPECT_TRUE(failure.Mentions("UnknownMethod"));
  EXPECT_TRUE(failure.Mentions("Internal_error"));
  EXPECT_FALSE(failure.Mentions("internal_error"));
}

TEST(MethodFailure, TextFitsIntoALine) {
  std::string words;
  while (words.size() < 100000) {
    words += "word ";
  }
  const MethodFailure failure = {{words}};
  EXPECT_GT(failure.Text().size(), 300U);
  EXPECT_LT(failure.Text().size(), 500U);
}

TEST(MethodFailure, TextHasNoVariables) {
  const std::string uuid = "01234567-89ab-cdef-0123-456789abcdef";
  const std::string longest(47, 'A');
  const MethodFailure failure = {
      {"INVALID_VALUE", "nvram",
       "[ \"" + std::string(48, 'A') + "\"; \"VkFSUw+/" + std::string(100000, 'x') + "==\" ]", uuid,
       longest}};
  EXPECT_EQ(failure.Text(),
            "INVALID_VALUE, nvram, [ \"(data)\"; \"(data)\" ], " + uuid + ", " + longest);
}

TEST(DecodeAnswer, OtherDocumentsAreRefused) {
  const std::string scalar = "<value>Success</value>";
  const std::vector<std::string> documents = {
      "",
      " ",
      "no",
      "<html/>",
      "<methodResponse/>",
      "<methodResponse></methodResponse>",
      "<methodResponse><params/></methodResponse>",
      "<methodResponse><params><param/></params></methodResponse>",
      "<methodResponse><params><param>" + scalar + "</param></params></methodResponse>",
      "<methodResponse><params><param><struct/></param></params></methodResponse>",
      "<methodResponse><fault/></methodResponse>",
      "<methodCall><params><param>" + scalar + "</param></params></methodCall>",
      Envelope(""),
      Envelope(Member("status", scalar)),
      Envelope("<name>Status</name>" + scalar),
      Envelope("<member>" + scalar + "</member>"),
      Envelope("<member><name>Status</name></member>"),
      Envelope("<member><name>Status</name>" + scalar + scalar + "</member>"),
      Envelope("<member><name><b>Status</b></name>" + scalar + "</member>"),
      Envelope("text"),
      Success("<string>no value</string>"),
      Success("<value>text<string>typed</string></value>"),
      Success("<value><string>typed</string>text</value>"),
      Success("<value><string>one</string><string>two</string></value>"),
      Success("<value><string><b>x</b></string></value>"),
      Success("<value><array/></value>"),
      Success("<value><array><value>x</value></array></value>"),
      Success("<value><array><data>x</data></array></value>"),
      Success("<value><array><data/><data/></array></value>"),
      Success("<value>&unknown;</value>"),
      Success("<value>&#0;</value>"),
      Success("<value>\xff</value>"),
      Success("<value>x</value>") + "<more/>",
      Success("<value>x</value>") + "more",
      Success("<value>x</value>") + Success("<value>x</value>"),
      "<methodResponse><params><param>" + scalar + "</param><param>" + scalar +
          "</param></params></methodResponse>",
  };
  for (const std::string& document : documents) {
    EXPECT_FALSE(DecodeAnswer(document)) << document;
  }
}

TEST(DecodeAnswer, DocumentTypesAndEntitiesAreRefused) {
  const std::string body = Success("<value>&e;</value>").substr(21);
  for (const char* const type : {
           "<!DOCTYPE methodResponse>",
           "<!DOCTYPE methodResponse [<!ENTITY e 'text'>]>",
           "<!DOCTYPE methodResponse [<!ENTITY e SYSTEM 'file:///etc/hostname'>]>",
           "<!DOCTYPE methodResponse SYSTEM 'http://localhost/x.dtd'>",
           "<!DOCTYPE methodResponse [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]>",
       }) {
    EXPECT_FALSE(DecodeAnswer(std::string("<?xml version=\"1.0\"?>") + type + body)) << type;
    // Before expat sees any of it.
    const auto unused = DecodeAnswer(type + Success("<value>x</value>").substr(21));
    ASSERT_FALSE(unused) << type;
    EXPECT_EQ(unused.error().message, "the answer has a document type");
  }
}

/// A value with so many levels around it.
std::string Nest(int depth, const std::string& before, const std::string& behind) {
  std::string value;
  for (int i = 0; i < depth; ++i) {
    value += before;
  }
  value += "<value>x</value>";
  for (int i = 0; i < depth; ++i) {
    value += behind;
  }
  return value;
}
std::string Arrays(int depth) {
  return Nest(depth, "<value><array><data>", "</data></array></value>");
}

TEST(DecodeAnswer, DepthIsBounded) {
  // The envelope and the innermost value are levels too.
  EXPECT_TRUE(DecodeAnswer(Success(Arrays(14))));
  EXPECT_FALSE(DecodeAnswer(Success(Arrays(15))));
  EXPECT_FALSE(DecodeAnswer(Success(Arrays(50000))));
  EXPECT_FALSE(DecodeAnswer(
      Success(Nest(15, "<value><struct><member><name>m</name>", "</member></struct></value>"))));
}

TEST(DecodeAnswer, TheNumberOfValuesIsBounded) {
  const auto list_of = [](int count) {
    std::string values;
    for (int i = 0; i < count; ++i) {
      values += "<value/>";
    }
    return Success("<value><array><data>" + values + "</data></array></value>");
  };
  EXPECT_TRUE(DecodeAnswer(list_of(32000)));
  EXPECT_FALSE(DecodeAnswer(list_of(32768)));
}

TEST(DecodeAnswer, AnAnswerThatIsCutIsNone) {
  const std::vector<std::string> documents = {
      Success("<value><struct>" + Member("EFI-variables", "<value>VkFSUw==</value>") +
              "</struct></value>"),
      Failed("<value><array><data><value>CODE</value><value>x</value></data></array></value>"),
      "<methodResponse><fault><value>no</value></fault></methodResponse>",
  };
  for (const std::string& document : documents) {
    ASSERT_TRUE(DecodeAnswer(document));
    for (std::size_t size = 0; size < document.size(); ++size) {
      EXPECT_FALSE(DecodeAnswer(document.substr(0, size))) << size << " bytes of " << document;
    }
  }
}

}  // namespace
}  // namespace varstored::backend
