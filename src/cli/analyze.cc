// weft analyze: what weftd would say of these files, without a mesh.
#include <cstdio>

#include "base/json.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/up/plan.h"
#include "objects/load.h"
#include "translate/translate.h"

namespace weft::cli {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> files;
  std::string output;
  bool no_gateways = false;
};

void print_json(const std::vector<yaml::Complaint>& complaints) {
  JsonWriter json(2);
  json.begin_array();
  for (const auto& each : complaints) {
    json.begin_object().field("level", each.is_error() ? "Error" : "Warning").field("code", each.code);
    json.field("file", each.file)
        .field("line", each.line)
        .field("column", each.column)
        .field("origin", each.subject);
    json.field("field", each.field)
        .field("message", each.cause)
        .field("nextStep", each.next_step)
        .end_object();
  }
  std::puts(json.end_array().take().c_str());
}

Result<int> run_analyze(const AnalyzeOptions& options) {
  std::vector<objects::Loaded> parts;
  for (const std::string& path : options.files) {
    WEFT_TRY(const auto files, object_files(path));
    for (const std::string& file : files) {
      WEFT_TRY(const std::string text, read_file(file));
      parts.push_back(objects::load_text(text, file));
    }
  }
  // With the gateways that `weft up` adds: users' objects refer to them.
  objects::Loaded all = objects::merge(parts);
  if (const std::string gateways = default_gateways(all.objects); !options.no_gateways && !gateways.empty()) {
    parts.push_back(objects::load_text(gateways, "gateways of weft up"));
    all = objects::merge(std::move(parts));
  }
  translate::WorldInput input;
  input.objects = all.objects;
  input.service_addresses = translate::allocate_vips(all.objects, {});
  const auto world = translate::World::make(std::move(input));
  auto complaints = std::move(all.complaints);
  for (auto& each : translate::validate(*world)) complaints.push_back(std::move(each));

  if (options.output == "json") {
    print_json(complaints);
  } else {
    for (const auto& each : complaints) std::printf("%s\n", each.to_string().c_str());
    if (complaints.empty()) std::printf("%zu objects, nothing to complain about\n", all.objects.size());
  }
  return yaml::any_error(complaints) ? 1 : 0;
}

}  // namespace

void add_analyze(CommandTable& table) {
  auto options = std::make_shared<AnalyzeOptions>();
  table.add("analyze", "Check files without a mesh; exit status 1 if anything is wrong")
      .words("FILE", options->files, "files or directories of YAML or JSON")
      .choice("-o,--output", options->output, {"json"}, "print as JSON")
      .flag("--no-gateways", options->no_gateways,
            "without the ingress and egress gateway that 'weft up' adds")
      .runs([options] { return run_analyze(*options); });
}

}  // namespace weft::cli
