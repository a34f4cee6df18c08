#include "telemetry/record.h"

#include <bit>

namespace weft::telemetry {

namespace {

struct FlagName {
  std::string_view short_name;
  std::string_view long_name;
};

// In the order of enum Flag.
constexpr FlagName kNames[kFlagCount] = {
    {"LH", "FailedLocalHealthCheck"},
    {"UH", "NoHealthyUpstream"},
    {"UT", "UpstreamRequestTimeout"},
    {"LR", "LocalReset"},
    {"UR", "UpstreamRemoteReset"},
    {"UF", "UpstreamConnectionFailure"},
    {"UC", "UpstreamConnectionTermination"},
    {"UO", "UpstreamOverflow"},
    {"NR", "NoRouteFound"},
    {"DI", "DelayInjected"},
    {"FI", "FaultInjected"},
    {"RL", "RateLimited"},
    {"UAEX", "UnauthorizedExternalService"},
    {"RLSE", "RateLimitServiceError"},
    {"DC", "DownstreamConnectionTermination"},
    {"URX", "UpstreamRetryLimitExceeded"},
    {"SI", "StreamIdleTimeout"},
    {"IH", "InvalidEnvoyRequestHeaders"},
    {"DPE", "DownstreamProtocolError"},
    {"UMSDR", "UpstreamMaxStreamDurationReached"},
    {"RFCF", "ResponseFromCacheFilter"},
    {"NFCF", "NoFilterConfigFound"},
    {"DT", "DurationTimeout"},
    {"UPE", "UpstreamProtocolError"},
    {"NC", "NoClusterFound"},
    {"OM", "OverloadManagerTerminated"},
    {"DF", "DnsResolutionFailed"},
    {"DO", "DropOverLoad"},
    {"DR", "DownstreamRemoteReset"},
    {"UDO", "UnconditionalDropOverload"},
};

template <typename NameOf>
void append_names(uint64_t bits, std::string& out, NameOf name_of) {
  for (; bits != 0; bits &= bits - 1) {
    if (!out.empty()) out.push_back(',');
    out.append(name_of(static_cast<Flag>(std::countr_zero(bits))));
  }
}

}  // namespace

std::string_view short_name(Flag flag) { return kNames[static_cast<size_t>(flag)].short_name; }
std::string_view long_name(Flag flag) { return kNames[static_cast<size_t>(flag)].long_name; }

std::string_view Flags::to_string(std::string& scratch) const {
  if (bits_ == 0) return "-";
  if ((bits_ & (bits_ - 1)) == 0) return short_name(static_cast<Flag>(std::countr_zero(bits_)));
  scratch.clear();
  append_names(bits_, scratch, short_name);
  return scratch;
}

std::string Flags::to_long_string() const {
  if (bits_ == 0) return "-";
  std::string out;
  append_names(bits_, out, long_name);
  return out;
}

}  // namespace weft::telemetry
