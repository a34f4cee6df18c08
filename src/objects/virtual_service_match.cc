#include "objects/virtual_service_match.h"

#include "base/strings.h"

namespace weft::objects {

namespace {

using Conditions = std::vector<std::pair<std::string, StringMatch>>;

void read_some_match(FieldReader& fields, StringMatch& out) {
  read_string_match(fields, out);
  if (out.kind == StringMatch::Kind::present && fields.clean()) {
    fields.error("", "says nothing to compare with", "write exact, prefix or regex");
  }
}

void read_conditions(FieldReader& fields, std::string_view name, Conditions& out,
                     const TextCheck& check_key) {
  fields.object_map(name, [&](const std::string& key, FieldReader& inner) {
    StringMatch match;
    read_string_match(inner, match);
    if (fields.refuse_key(name, inner.node())) return;
    if (auto problem = check_key(key)) {
      inner.error("", std::move(problem->cause), std::move(problem->next_step));
    }
    out.emplace_back(key, std::move(match));
  });
}

void read_headers(FieldReader& fields, std::string_view name, Conditions& out) {
  read_conditions(fields, name, out, check_header_name);
  // Istio leaves these out of header conditions, for they have fields of their own.
  std::erase_if(out, [&](const auto& condition) {
    const std::string& key = condition.first;
    const bool has_own_field = key == "uri" || key == "scheme" || key == "method" || key == "authority";
    if (has_own_field) {
      fields.warning(name, concat(quoted(key), " is ignored as a header"),
                     concat("write the condition ", key, " instead"));
    }
    return has_own_field;
  });
}

}  // namespace

void read_string_match(FieldReader& fields, StringMatch& out) {
  if (fields.text("exact", out.text)) out.kind = StringMatch::Kind::exact;
  if (fields.text("prefix", out.text)) {
    out.kind = StringMatch::Kind::prefix;
    if (out.text.empty())
      fields.error("prefix", "is empty", "write what it begins with, or leave the condition out");
  }
  if (fields.text("regex", out.text)) {
    out.kind = StringMatch::Kind::regex;
    if (auto problem = check_regex(out.text)) {
      fields.error("regex", std::move(problem->cause), std::move(problem->next_step));
    }
  }
  fields.at_most_one_of({"exact", "prefix", "regex"});
}

void read_http_match(FieldReader& fields, HttpMatch& out) {
  out.line = fields.line();
  fields.text("name", out.name);
  fields.texts("gateways", out.gateways, check_gateway_ref);
  fields.labels("sourceLabels", out.source_labels);
  fields.text("sourceNamespace", out.source_namespace, check_dns_label);
  fields.object("uri", out.uri, read_some_match);
  fields.object("scheme", out.scheme, read_some_match);
  fields.object("method", out.method, read_some_match);
  fields.object("authority", out.authority, read_some_match);
  read_headers(fields, "headers", out.headers);
  read_headers(fields, "withoutHeaders", out.without_headers);
  read_conditions(fields, "queryParams", out.query_params, check_not_empty);
  fields.port("port", out.port);
  fields.boolean("ignoreUriCase", out.ignore_uri_case);
  fields.text("statPrefix", out.stat_prefix);
}

}  // namespace weft::objects
