#include "objects/kube_fields.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace weft::objects {

namespace {

struct KubeType {
  std::string_view name;
  std::string_view fields;  // separated by spaces; "name:Type" where a field is, or lists, another type here
};

// Sorted by name.
constexpr KubeType kTypes[] = {
    {"AWSElasticBlockStoreVolumeSource", "volumeID fsType partition readOnly"},
    {"Affinity", "nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity"},
    {"AppArmorProfile", "type localhostProfile"},
    {"AzureDiskVolumeSource", "diskName diskURI cachingMode fsType readOnly kind"},
    {"AzureFileVolumeSource", "secretName shareName readOnly"},
    {"CSIVolumeSource", "driver readOnly fsType volumeAttributes nodePublishSecretRef:LocalObjectReference"},
    {"Capabilities", "add drop"},
    {"CephFSVolumeSource", "monitors path user secretFile secretRef:LocalObjectReference readOnly"},
    {"CinderVolumeSource", "volumeID fsType readOnly secretRef:LocalObjectReference"},
    {"ClientIPConfig", "timeoutSeconds"},
    {"ClusterTrustBundleProjection", "name signerName labelSelector:LabelSelector optional path"},
    {"ConfigMapEnvSource", "name optional"},
    {"ConfigMapKeySelector", "name key optional"},
    {"ConfigMapProjection", "name items:KeyToPath optional"},
    {"ConfigMapVolumeSource", "name items:KeyToPath defaultMode optional"},
    {"ContainerPort", "name hostPort containerPort protocol hostIP"},
    {"ContainerResizePolicy", "resourceName restartPolicy"},
    {"ContainerRestartRule", "action exitCodes:ContainerRestartRuleOnExitCodes"},
    {"ContainerRestartRuleOnExitCodes", "operator values"},
    {"DeploymentStrategy", "type rollingUpdate:RollingUpdateDeployment"},
    {"DownwardAPIProjection", "items:DownwardAPIVolumeFile"},
    {"DownwardAPIVolumeFile",
     "path fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector mode"},
    {"DownwardAPIVolumeSource", "items:DownwardAPIVolumeFile defaultMode"},
    {"EmptyDirVolumeSource", "medium sizeLimit"},
    {"EnvFromSource", "prefix configMapRef:ConfigMapEnvSource secretRef:SecretEnvSource"},
    {"EnvVar", "name value valueFrom:EnvVarSource"},
    {"EnvVarSource",
     "fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector "
     "configMapKeyRef:ConfigMapKeySelector secretKeyRef:SecretKeySelector fileKeyRef:FileKeySelector"},
    {"EphemeralContainer",
     "name image command args workingDir ports:ContainerPort envFrom:EnvFromSource env:EnvVar "
     "resources:ResourceRequirements resizePolicy:ContainerResizePolicy restartPolicy "
     "restartPolicyRules:ContainerRestartRule volumeMounts:VolumeMount volumeDevices:VolumeDevice "
     "livenessProbe:Probe readinessProbe:Probe startupProbe:Probe lifecycle:Lifecycle terminationMessagePath "
     "terminationMessagePolicy imagePullPolicy securityContext:SecurityContext stdin stdinOnce tty "
     "targetContainerName"},
    {"EphemeralVolumeSource", "volumeClaimTemplate:PersistentVolumeClaimTemplate"},
    {"ExecAction", "command"},
    {"FCVolumeSource", "targetWWNs lun fsType readOnly wwids"},
    {"FileKeySelector", "volumeName path key optional"},
    {"FlexVolumeSource", "driver fsType secretRef:LocalObjectReference readOnly options"},
    {"FlockerVolumeSource", "datasetName datasetUUID"},
    {"GCEPersistentDiskVolumeSource", "pdName fsType partition readOnly"},
    {"GRPCAction", "port service"},
    {"GitRepoVolumeSource", "repository revision directory"},
    {"GlusterfsVolumeSource", "endpoints path readOnly"},
    {"HTTPGetAction", "path port host scheme httpHeaders:HTTPHeader"},
    {"HTTPHeader", "name value"},
    {"HostAlias", "ip hostnames"},
    {"HostPathVolumeSource", "path type"},
    {"ISCSIVolumeSource",
     "targetPortal iqn lun iscsiInterface fsType readOnly portals chapAuthDiscovery chapAuthSession "
     "secretRef:LocalObjectReference initiatorName"},
    {"ImageVolumeSource", "reference pullPolicy"},
    {"KeyToPath", "key path mode"},
    {"LabelSelector", "matchLabels matchExpressions:LabelSelectorRequirement"},
    {"LabelSelectorRequirement", "key operator values"},
    {"Lifecycle", "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal"},
    {"LifecycleHandler", "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:SleepAction"},
    {"LocalObjectReference", "name"},
    {"NFSVolumeSource", "server path readOnly"},
    {"NodeAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:NodeSelector "
     "preferredDuringSchedulingIgnoredDuringExecution:PreferredSchedulingTerm"},
    {"NodeSelector", "nodeSelectorTerms:NodeSelectorTerm"},
    {"NodeSelectorRequirement", "key operator values"},
    {"NodeSelectorTerm", "matchExpressions:NodeSelectorRequirement matchFields:NodeSelectorRequirement"},
    {"ObjectFieldSelector", "apiVersion fieldPath"},
    {"ObjectReference", "kind namespace name uid apiVersion resourceVersion fieldPath"},
    {"PersistentVolumeClaimSpec",
     "accessModes selector:LabelSelector resources:VolumeResourceRequirements volumeName storageClassName "
     "volumeMode dataSource:TypedLocalObjectReference dataSourceRef:TypedObjectReference "
     "volumeAttributesClassName"},
    {"PersistentVolumeClaimTemplate", "metadata spec:PersistentVolumeClaimSpec"},
    {"PersistentVolumeClaimVolumeSource", "claimName readOnly"},
    {"PhotonPersistentDiskVolumeSource", "pdID fsType"},
    {"PodAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:PodAffinityTerm "
     "preferredDuringSchedulingIgnoredDuringExecution:WeightedPodAffinityTerm"},
    {"PodAffinityTerm",
     "labelSelector:LabelSelector namespaces topologyKey namespaceSelector:LabelSelector matchLabelKeys "
     "mismatchLabelKeys"},
    {"PodAntiAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:PodAffinityTerm "
     "preferredDuringSchedulingIgnoredDuringExecution:WeightedPodAffinityTerm"},
    {"PodCertificateProjection",
     "signerName keyType maxExpirationSeconds credentialBundlePath keyPath certificateChainPath"},
    {"PodDNSConfig", "nameservers searches options:PodDNSConfigOption"},
    {"PodDNSConfigOption", "name value"},
    {"PodOS", "name"},
    {"PodReadinessGate", "conditionType"},
    {"PodResourceClaim", "name resourceClaimName resourceClaimTemplateName"},
    {"PodSchedulingGate", "name"},
    {"PodSecurityContext",
     "seLinuxOptions:SELinuxOptions windowsOptions:WindowsSecurityContextOptions runAsUser runAsGroup "
     "runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup sysctls:Sysctl fsGroupChangePolicy "
     "seccompProfile:SeccompProfile appArmorProfile:AppArmorProfile seLinuxChangePolicy"},
    {"PortworxVolumeSource", "volumeID fsType readOnly"},
    {"PreferredSchedulingTerm", "weight preference:NodeSelectorTerm"},
    {"Probe",
     "exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:GRPCAction initialDelaySeconds "
     "timeoutSeconds periodSeconds successThreshold failureThreshold terminationGracePeriodSeconds"},
    {"ProjectedVolumeSource", "sources:VolumeProjection defaultMode"},
    {"QuobyteVolumeSource", "registry volume readOnly user group tenant"},
    {"RBDVolumeSource", "monitors image fsType pool user keyring secretRef:LocalObjectReference readOnly"},
    {"ResourceClaim", "name request"},
    {"ResourceFieldSelector", "containerName resource divisor"},
    {"ResourceRequirements", "limits requests claims:ResourceClaim"},
    {"RollingUpdateDeployment", "maxUnavailable maxSurge"},
    {"SELinuxOptions", "user role type level"},
    {"ScaleIOVolumeSource",
     "gateway system secretRef:LocalObjectReference sslEnabled protectionDomain storagePool storageMode "
     "volumeName fsType readOnly"},
    {"SeccompProfile", "type localhostProfile"},
    {"SecretEnvSource", "name optional"},
    {"SecretKeySelector", "name key optional"},
    {"SecretProjection", "name items:KeyToPath optional"},
    {"SecretVolumeSource", "secretName items:KeyToPath defaultMode optional"},
    {"SecurityContext",
     "capabilities:Capabilities privileged seLinuxOptions:SELinuxOptions "
     "windowsOptions:WindowsSecurityContextOptions runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem "
     "allowPrivilegeEscalation procMount seccompProfile:SeccompProfile appArmorProfile:AppArmorProfile"},
    {"ServiceAccountTokenProjection", "audience expirationSeconds path"},
    {"SessionAffinityConfig", "clientIP:ClientIPConfig"},
    {"SleepAction", "seconds"},
    {"StorageOSVolumeSource", "volumeName volumeNamespace fsType readOnly secretRef:LocalObjectReference"},
    {"Sysctl", "name value"},
    {"TCPSocketAction", "port host"},
    {"Toleration", "key operator value effect tolerationSeconds"},
    {"TopologySpreadConstraint",
     "maxSkew topologyKey whenUnsatisfiable labelSelector:LabelSelector minDomains nodeAffinityPolicy "
     "nodeTaintsPolicy matchLabelKeys"},
    {"TypedLocalObjectReference", "apiGroup kind name"},
    {"TypedObjectReference", "apiGroup kind name namespace"},
    {"Volume",
     "name hostPath:HostPathVolumeSource emptyDir:EmptyDirVolumeSource "
     "gcePersistentDisk:GCEPersistentDiskVolumeSource awsElasticBlockStore:AWSElasticBlockStoreVolumeSource "
     "gitRepo:GitRepoVolumeSource secret:SecretVolumeSource nfs:NFSVolumeSource iscsi:ISCSIVolumeSource "
     "glusterfs:GlusterfsVolumeSource persistentVolumeClaim:PersistentVolumeClaimVolumeSource "
     "rbd:RBDVolumeSource flexVolume:FlexVolumeSource cinder:CinderVolumeSource cephfs:CephFSVolumeSource "
     "flocker:FlockerVolumeSource downwardAPI:DownwardAPIVolumeSource fc:FCVolumeSource "
     "azureFile:AzureFileVolumeSource configMap:ConfigMapVolumeSource "
     "vsphereVolume:VsphereVirtualDiskVolumeSource quobyte:QuobyteVolumeSource "
     "azureDisk:AzureDiskVolumeSource photonPersistentDisk:PhotonPersistentDiskVolumeSource "
     "projected:ProjectedVolumeSource portworxVolume:PortworxVolumeSource scaleIO:ScaleIOVolumeSource "
     "storageos:StorageOSVolumeSource csi:CSIVolumeSource ephemeral:EphemeralVolumeSource "
     "image:ImageVolumeSource"},
    {"VolumeDevice", "name devicePath"},
    {"VolumeMount", "name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr"},
    {"VolumeProjection",
     "secret:SecretProjection downwardAPI:DownwardAPIProjection configMap:ConfigMapProjection "
     "serviceAccountToken:ServiceAccountTokenProjection clusterTrustBundle:ClusterTrustBundleProjection "
     "podCertificate:PodCertificateProjection"},
    {"VolumeResourceRequirements", "limits requests"},
    {"VsphereVirtualDiskVolumeSource", "volumePath fsType storagePolicyName storagePolicyID"},
    {"WeightedPodAffinityTerm", "weight podAffinityTerm:PodAffinityTerm"},
    {"WindowsSecurityContextOptions", "gmsaCredentialSpecName gmsaCredentialSpec runAsUserName hostProcess"},
};

}  // namespace

std::vector<KubeField> kube_fields(std::string_view type) {
  const auto* found =
      std::lower_bound(std::begin(kTypes), std::end(kTypes), type,
                       [](const KubeType& one, std::string_view name) { return one.name < name; });
  std::vector<KubeField> out;
  if (found == std::end(kTypes) || found->name != type) return out;
  for (std::string_view field : split(found->fields, ' ')) {
    const size_t colon = field.find(':');
    out.push_back({field.substr(0, colon), colon == std::string_view::npos ? "" : field.substr(colon + 1)});
  }
  return out;
}

}  // namespace weft::objects
