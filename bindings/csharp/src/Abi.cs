// The constants, structs and functions of bankhub.h for C#, with their C names. The header documents them.

using System;
using System.Runtime.InteropServices;

namespace BankHub
{
    internal static class Abi
    {
        public const uint BANKHUB_ABI_MAJOR = 0;
        public const uint BANKHUB_ABI_MINOR = 1;

        public const string BANKHUB_SANDBOX_URL = "https://bankhub-api-sandbox.sepay.vn";
        public const string BANKHUB_PRODUCTION_URL = "https://bankhub-api.sepay.vn";

        public const uint BANKHUB_ALLOW_HTTP = 1;
        public const int BANKHUB_TOKEN_CAPACITY = 4096;
        public const int BANKHUB_MESSAGE_CAPACITY = 512;

        public const int BANKHUB_OK = 0;
        public const int BANKHUB_INVALID_ARGUMENT = 1;
        public const int BANKHUB_UNAUTHENTICATED = 2;
        public const int BANKHUB_RATE_LIMITED = 3;
        public const int BANKHUB_UNAVAILABLE = 4;
        public const int BANKHUB_BAD_RESPONSE = 5;
        public const int BANKHUB_DEADLINE = 6;
        public const int BANKHUB_CLOSED = 7;
        public const int BANKHUB_INTERNAL = 8;

#pragma warning disable 0649 // the library writes these fields, or only their offsets are used
        [StructLayout(LayoutKind.Sequential)]
        public struct bankhub_config
        {
            public UIntPtr size;
            public IntPtr client_id;
            public IntPtr client_secret;
            public IntPtr base_url;
            public IntPtr ca_file;
            public IntPtr proxy;
            public IntPtr store;
            public uint connect_timeout_ms;
            public uint request_timeout_ms;
            public uint get_timeout_ms;
            public uint refresh_ahead_s;
            public uint flags;
            public uint reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct bankhub_access_token
        {
            public ulong generation;
            public long expires_at;
            [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)] public ulong[] reserved;
            public UIntPtr length;
            [MarshalAs(UnmanagedType.ByValArray, SizeConst = BANKHUB_TOKEN_CAPACITY)] public byte[] value;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct bankhub_error
        {
            public int status;
            public int http_status;
            public ulong retry_after_ms;
            [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)] public ulong[] reserved;
            [MarshalAs(UnmanagedType.ByValArray, SizeConst = BANKHUB_MESSAGE_CAPACITY)] public byte[] message;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct bankhub_stats
        {
            public UIntPtr size;
            public ulong generation;
            public long expires_at;
            public long refresh_at;
            public long next_attempt_at;
            public long last_success_at;
            public long last_failure_at;
            public ulong requests;
            public ulong successes;
            public ulong failures;
            public ulong consecutive_failures;
            public ulong rejections;
            public ulong ignored_rejections;
            public ulong waiters;
            public uint fetching;
            public uint reserved;
            public bankhub_error last_error;
        }
#pragma warning restore 0649

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate uint bankhub_abi_version();

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate IntPtr bankhub_status_name(int status);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate void bankhub_access_token_wipe(IntPtr token);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate int bankhub_token_new(ref bankhub_config config, out IntPtr token, out bankhub_error error);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate int bankhub_token_get(IntPtr token, uint timeout_ms, IntPtr value, out bankhub_error error);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate ulong bankhub_token_generation(IntPtr token);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate int bankhub_token_invalidate(IntPtr token, IntPtr rejected, out bankhub_error error);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate int bankhub_token_stats(IntPtr token, ref bankhub_stats stats);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        public delegate void bankhub_token_free(IntPtr token);
    }
}
