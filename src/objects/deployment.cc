#include "objects/deployment.h"

#include "objects/readers.h"

namespace weft::objects {

namespace {

void read_template(FieldReader& fields, Deployment& out) {
  fields.object("metadata", out, [](FieldReader& meta, Deployment& deployment) {
    meta.labels("labels", deployment.pod_labels);
    meta.text_map("annotations", deployment.pod_annotations, check_label_key);
    meta.accept({"name", "namespace", "creationTimestamp"});
  });
  fields.object("spec", out.pod, read_pod_spec);
  fields.require("spec");
  if (out.pod.restart_policy != PodSpec::RestartPolicy::always) {
    fields.error("spec", "a Deployment's pods are always restarted", "remove restartPolicy");
  }
}

void read_spec(FieldReader& fields, Deployment& out) {
  fields.integer("replicas", out.replicas, {0, 100'000, "write a number of pods, 0 or more"});
  fields.object("template", out, read_template);
  fields.require("template");
  read_label_selector(fields, "selector", out.match_labels, out.pod_labels, "template");
  fields.require("selector", "name the labels of the template");
  fields.boolean("paused", out.paused);
  fields.accept_kube("strategy", "DeploymentStrategy");
  fields.accept({"minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"});
}

}  // namespace

void read_object(FieldReader& fields, Deployment& out) {
  fields.object("spec", out, read_spec);
  fields.require("spec");
  fields.accept("status");
}

}  // namespace weft::objects
