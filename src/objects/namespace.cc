#include "objects/namespace.h"

#include "objects/readers.h"

namespace weft::objects {

void read_object(FieldReader& fields, Namespace&) {
  struct Spec {
  } spec;
  fields.object("spec", spec, [](FieldReader& inner, Spec&) { inner.accept("finalizers"); });
  fields.accept("status");
}

void read_object(FieldReader& fields, ServiceAccount&) {
  fields.accept_kube("secrets", "ObjectReference");
  fields.accept_kube("imagePullSecrets", "LocalObjectReference");
  fields.accept("automountServiceAccountToken");
}

}  // namespace weft::objects
