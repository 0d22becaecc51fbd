using System.Runtime.InteropServices;
using System.Text.Json;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// The <c>RuntimeDefault</c> seccomp profile: what Docker and containerd allow by default (moby's default profile, with containerd's
/// refusal of io_uring), as the <c>linux.seccomp</c> section of an OCI bundle. Some calls come with a capability.
/// </summary>
internal static class SeccompDefaults
{
    /// <summary>Calls that everybody may make. Names an architecture or the library does not know are skipped by the OCI runtime.</summary>
    private const string Allowed = """
        accept accept4 access adjtimex alarm bind brk capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres
        clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect
        copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
        epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
        fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork
        fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64
        futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32
        geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority
        getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday
        getuid getuid32 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
        io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule
        landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listxattr llistxattr _llseek
        lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat
        mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
        mq_timedsend mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at
        nanosleep newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free
        pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev
        pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg
        recvmmsg_time64 recvmsg remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
        rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
        sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
        sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
        seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list
        set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid
        setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt
        setuid setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall
        socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
        timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
        timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname
        unlink unlinkat utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
        """;

    private static readonly (string Capability, string[] Calls)[] ByCapability =
    [
        ("CAP_DAC_READ_SEARCH", ["open_by_handle_at"]),
        ("CAP_SYS_ADMIN",
        [
            "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr",
            "move_mount", "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns", "syslog",
            "umount", "umount2", "unshare",
        ]),
        ("CAP_SYS_BOOT", ["reboot"]),
        ("CAP_SYS_CHROOT", ["chroot"]),
        ("CAP_SYS_MODULE", ["delete_module", "init_module", "finit_module"]),
        ("CAP_SYS_PACCT", ["acct"]),
        ("CAP_SYS_PTRACE", ["kcmp", "pidfd_getfd", "process_madvise"]),
        ("CAP_SYS_RAWIO", ["iopl", "ioperm"]),
        ("CAP_SYS_TIME", ["settimeofday", "stime", "clock_settime", "clock_settime64"]),
        ("CAP_SYS_TTY_CONFIG", ["vhangup"]),
        ("CAP_SYS_NICE", ["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
        ("CAP_SYSLOG", ["syslog"]),
        ("CAP_BPF", ["bpf"]),
        ("CAP_PERFMON", ["perf_event_open"]),
    ];

    // Every CLONE_NEW* flag, and what clone3 answers so that libc falls back to clone, whose flags a filter can see.
    private const long NamespaceFlags = 0x7E020000;
    private const int ENOSYS = 38;
    private const int EPERM = 1;
    private const int AF_VSOCK = 40;

    /// <summary>personality(2) values: Linux, 32-bit addresses, and both with UNAME26, and "tell me".</summary>
    private static readonly long[] Personalities = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

    public static void Write(Utf8JsonWriter json, IReadOnlyList<string> capabilities)
    {
        json.WriteStartObject();
        json.WriteString("defaultAction", "SCMP_ACT_ERRNO");
        json.WriteNumber("defaultErrnoRet", EPERM);
        json.WriteStartArray("architectures");
        foreach (var architecture in Architectures)
            json.WriteStringValue(architecture);
        json.WriteEndArray();
        json.WriteStartArray("syscalls");
        Allow(json, Allowed.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Allow(json, RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            ? ["arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush", "set_tls"]
            : ["arch_prctl", "modify_ldt"]);
        AllowWhen(json, "socket", 0, AF_VSOCK, "SCMP_CMP_NE");
        foreach (var personality in Personalities)
            AllowWhen(json, "personality", 0, personality, "SCMP_CMP_EQ");
        foreach (var (capability, calls) in ByCapability)
        {
            if (capabilities.Contains(capability))
                Allow(json, calls);
        }
        if (!capabilities.Contains("CAP_SYS_ADMIN"))
        {
            AllowWhen(json, "clone", 0, NamespaceFlags, "SCMP_CMP_MASKED_EQ");
            json.WriteStartObject();
            Names(json, ["clone3"]);
            json.WriteString("action", "SCMP_ACT_ERRNO");
            json.WriteNumber("errnoRet", ENOSYS);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>This machine's architecture and the ones its kernel runs beside it.</summary>
    private static string[] Architectures => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        Architecture.Arm64 => ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        _ => [],
    };

    private static void Allow(Utf8JsonWriter json, string[] calls)
    {
        json.WriteStartObject();
        Names(json, calls);
        json.WriteString("action", "SCMP_ACT_ALLOW");
        json.WriteEndObject();
    }

    private static void AllowWhen(Utf8JsonWriter json, string call, int argument, long value, string comparison)
    {
        json.WriteStartObject();
        Names(json, [call]);
        json.WriteString("action", "SCMP_ACT_ALLOW");
        json.WriteStartArray("args");
        json.WriteStartObject();
        json.WriteNumber("index", argument);
        json.WriteNumber("value", value);
        if (comparison == "SCMP_CMP_MASKED_EQ")
            json.WriteNumber("valueTwo", 0);
        json.WriteString("op", comparison);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Names(Utf8JsonWriter json, string[] calls)
    {
        json.WriteStartArray("names");
        foreach (var call in calls)
            json.WriteStringValue(call);
        json.WriteEndArray();
    }
}
