namespace Minke.Api;

/// <summary>The behaviour of every built-in kind, by kind: an explicit list. A kind without one has <see cref="PlainKind"/>.</summary>
public static class KindBehaviors
{
    private static readonly KindBehavior[] All =
    [
        new NamespaceKind(),
        new ConfigMapKind(),
        new ControllerRevisionKind(),
        new CronJobKind(),
        new DaemonSetKind(),
        new DeploymentKind(),
        new EndpointsKind(),
        new EndpointSliceKind(),
        new EventKind(),
        new HorizontalPodAutoscalerKind(),
        new JobKind(),
        new LeaseKind(),
        new LimitRangeKind(),
        new NodeKind(),
        new OldHorizontalPodAutoscalerKind(),
        new PersistentVolumeClaimKind(),
        new PersistentVolumeKind(),
        new PodDisruptionBudgetKind(),
        new PodKind(),
        new PodTemplateKind(),
        new ReplicaSetKind(),
        new ReplicationControllerKind(),
        new ResourceQuotaKind(),
        new SecretKind(),
        new ServiceAccountKind(),
        new ServiceKind(),
        new StatefulSetKind(),

        new RoleKind(),
        new ClusterRoleKind(),
        new RoleBindingKind(),
        new ClusterRoleBindingKind(),
        new CustomResourceDefinitionKind(),
        new IngressKind(),
        new IngressClassKind(),
        new NetworkPolicyKind(),
        new IPAddressKind(),
        new ServiceCIDRKind(),
        new PriorityClassKind(),
        new RuntimeClassKind(),
        new StorageClassKind(),
        new VolumeAttachmentKind(),
        new CSIDriverKind(),
        new CSINodeKind(),
        new CSIStorageCapacityKind(),
        new FlowSchemaKind(),
        new PriorityLevelConfigurationKind(),
        new CertificateSigningRequestKind(),
        new APIServiceKind(),
        new ValidatingWebhookConfigurationKind(),
        new MutatingWebhookConfigurationKind(),
        new ValidatingAdmissionPolicyKind(),
        new ValidatingAdmissionPolicyBindingKind(),
    ];

    private static readonly Dictionary<KindInfo, KindBehavior> ByKind = All.ToDictionary(behavior => behavior.Kind);

    public static KindBehavior For(KindInfo kind) => ByKind.GetValueOrDefault(kind) ?? new PlainKind(kind);
}

/// <summary>A kind with nothing of its own: metadata is checked, the rest is stored as it came.</summary>
public sealed class PlainKind(KindInfo kind) : KindBehavior
{
    public override KindInfo Kind { get; } = kind;
    public override IKubeObject Default(IKubeObject value) => value;
    public override IKubeObject PrepareForCreate(IKubeObject value) => value;
    public override IKubeObject PrepareForUpdate(IKubeObject value, IKubeObject old) => value;
    public override IKubeObject PrepareForStatusUpdate(IKubeObject value, IKubeObject old) => value;

    public override void Validate(IKubeObject value, IKubeObject? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(value.Metadata, Kind.IsNamespaced, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
    }

    public override void ValidateStatus(IKubeObject value, IKubeObject old, FieldErrors errors) { }
    public override IEnumerable<string> Warnings(IKubeObject value, IKubeObject? old) => [];
}
