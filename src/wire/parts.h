// The small things that every resource is made of, both ways: durations, numbers, addresses, matches, header
// edits, metadata. Private to this room.
#pragma once

#include <google/protobuf/message_lite.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "envoy/type/matcher/v3/metadata.pb.h"
#include "envoy/type/matcher/v3/regex.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"
#include "envoy/type/v3/percent.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/wrappers.pb.h"
#include "model/match.h"
#include "model/route.h"
#include "wire/place.h"
#include "wire/protos.h"
#include "wire/value.h"

namespace weft::wire {

// ---- messages and Any

// Equal messages give equal bytes: maps are written sorted.
std::string serialize(const google::protobuf::MessageLite& message);
// False where the bytes are no such message. All bytes from outside are parsed here: libprotobuf would print
// to stderr what it dislikes of them, and it is told not to.
bool parse(google::protobuf::MessageLite& message, std::string_view bytes);
void pack(const google::protobuf::MessageLite& message, google::protobuf::Any& any);

// The message an Any holds, which must be of this type.
template <typename Message>
Read<Message> unpack(const google::protobuf::Any& any, const Place& at) {
  Message message;
  if (!parse(message, any.value())) return refuse(at, "is not well-formed protobuf");
  return message;
}
bool holds(const google::protobuf::Any& any, std::string_view message_name);
template <typename Message>
bool holds(const google::protobuf::Any& any) {
  return holds(any, Message::default_instance().GetTypeName());
}

// ---- durations and numbers

void write(Duration from, google::protobuf::Duration& to);
// Negative ones and those beyond 292 years are refused.
Read<Duration> read(const google::protobuf::Duration& from, const Place& at);
Read<uint16_t> read_port(uint32_t port, const Place& at);

void write_per_million(uint32_t per_million, type_pb::FractionalPercent& to);
Read<uint32_t> read_per_million(const type_pb::FractionalPercent& from, const Place& at);

// ---- addresses

void write(const SocketAddress& from, core_pb::Address& to);
Read<SocketAddress> read(const core_pb::Address& from, const Place& at);
void write(const Cidr& from, core_pb::CidrRange& to);
Read<Cidr> read(const core_pb::CidrRange& from, const Place& at);

// ---- matches

void write(const Regex& from, matcher_pb::RegexMatcher& to);
Read<Regex> read(const matcher_pb::RegexMatcher& from, const Place& at);
void write(const model::StringMatch& from, matcher_pb::StringMatcher& to);
Read<model::StringMatch> read(const matcher_pb::StringMatcher& from, const Place& at);
void write(const model::HeaderMatch& from, route_pb::HeaderMatcher& to);
Read<model::HeaderMatch> read(const route_pb::HeaderMatcher& from, const Place& at);

// ---- header edits; the four lists have the same names in routes, virtual hosts and weighted clusters

core_pb::HeaderValueOption to_header_option(const model::HeaderEdit& from);
// nullopt: an edit that adds an empty value without keep_empty_value, which by xDS does nothing.
Read<std::optional<model::HeaderEdit>> read(const core_pb::HeaderValueOption& from, const Place& at);

template <typename Message>
void write_edits(const model::HeaderEdits& from, Message& to) {
  for (const auto& edit : from.request_add) *to.add_request_headers_to_add() = to_header_option(edit);
  for (const auto& name : from.request_remove) to.add_request_headers_to_remove(name);
  for (const auto& edit : from.response_add) *to.add_response_headers_to_add() = to_header_option(edit);
  for (const auto& name : from.response_remove) to.add_response_headers_to_remove(name);
}

Read<std::vector<model::HeaderEdit>> read_edits(
    const google::protobuf::RepeatedPtrField<core_pb::HeaderValueOption>& from, std::string_view field,
    const Place& at);

template <typename Message>
Read<model::HeaderEdits> read_edits(const Message& from, const Place& at) {
  model::HeaderEdits edits;
  WEFT_TRY(edits.request_add, read_edits(from.request_headers_to_add(), "request_headers_to_add", at));
  WEFT_TRY(edits.response_add, read_edits(from.response_headers_to_add(), "response_headers_to_add", at));
  edits.request_remove.assign(from.request_headers_to_remove().begin(),
                              from.request_headers_to_remove().end());
  edits.response_remove.assign(from.response_headers_to_remove().begin(),
                               from.response_headers_to_remove().end());
  return edits;
}

// ---- metadata: filter_metadata["weft"]["origin"]

void write(const Value& from, google::protobuf::Value& to);
void write(const Value& from, google::protobuf::Struct& to);
Value read(const google::protobuf::Value& from);
Value read(const google::protobuf::Struct& from);

// The metadata of one filter; null where there is none.
Value metadata_of(const core_pb::Metadata& metadata, const std::string& filter);
// One text of it, without a copy; empty where it is not there.
std::string_view metadata_text(const core_pb::Metadata& metadata, const std::string& filter,
                               const std::string& name);
void set_metadata(core_pb::Metadata& metadata, const std::string& filter, std::string_view name, Value value);

inline constexpr char kWeft[] = "weft";
inline constexpr char kIstio[] = "istio";

// ---- config sources

void write_ads(core_pb::ConfigSource& to);
// Refuses everything but ADS over the v3 API.
Read<> check_ads(const core_pb::ConfigSource& from, const Place& at);
Read<> check_version(const core_pb::ConfigSource& from, const Place& at);

}  // namespace weft::wire
