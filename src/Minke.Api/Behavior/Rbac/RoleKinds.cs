using Minke.Api.Rbac.V1;

namespace Minke.Api;

/// <summary>What a Role does beyond its fields. (pkg/apis/rbac/validation)</summary>
internal sealed class RoleKind : KindBehavior<Role>
{
    public override void Validate(Role role, Role? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(role.Metadata, isNamespaced: true, Names.PathSegment, errors);
        RbacRules.ValidateRules(role.Rules, isNamespaced: true, errors);
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(role.Metadata, old.Metadata, errors);
    }
}

/// <summary>What a ClusterRole does beyond its fields.</summary>
internal sealed class ClusterRoleKind : KindBehavior<ClusterRole>
{
    public override void Validate(ClusterRole role, ClusterRole? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(role.Metadata, isNamespaced: false, Names.PathSegment, errors);
        RbacRules.ValidateRules(role.Rules, isNamespaced: false, errors);
        if (role.AggregationRule is { } aggregation)
            RbacRules.ValidateAggregation(aggregation, "aggregationRule", errors);
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(role.Metadata, old.Metadata, errors);
    }
}

/// <summary>What a RoleBinding does beyond its fields.</summary>
internal sealed class RoleBindingKind : KindBehavior<RoleBinding>
{
    private static readonly string[] RoleKinds = ["Role", "ClusterRole"];

    public override RoleBinding Default(RoleBinding binding) =>
        binding with { RoleRef = RbacRules.Default(binding.RoleRef), Subjects = binding.Subjects.Map(RbacRules.Default) };

    public override void Validate(RoleBinding binding, RoleBinding? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(binding.Metadata, isNamespaced: true, Names.PathSegment, errors);
        RbacRules.ValidateBinding(binding.RoleRef, RoleKinds, binding.Subjects, isNamespaced: true, errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(binding.Metadata, old.Metadata, errors);
        RbacRules.ValidateSameRole(binding.RoleRef, old.RoleRef, errors);
    }
}

/// <summary>What a ClusterRoleBinding does beyond its fields.</summary>
internal sealed class ClusterRoleBindingKind : KindBehavior<ClusterRoleBinding>
{
    private static readonly string[] RoleKinds = ["ClusterRole"];

    public override ClusterRoleBinding Default(ClusterRoleBinding binding) =>
        binding with { RoleRef = RbacRules.Default(binding.RoleRef), Subjects = binding.Subjects.Map(RbacRules.Default) };

    public override void Validate(ClusterRoleBinding binding, ClusterRoleBinding? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(binding.Metadata, isNamespaced: false, Names.PathSegment, errors);
        RbacRules.ValidateBinding(binding.RoleRef, RoleKinds, binding.Subjects, isNamespaced: false, errors);
        if (old is null)
            return;
        ObjectMetaRules.ValidateUpdate(binding.Metadata, old.Metadata, errors);
        RbacRules.ValidateSameRole(binding.RoleRef, old.RoleRef, errors);
    }
}
