/* SPDX-License-Identifier: MIT */
/*
 * svc: the smallest useful supervised service (freestanding, static, no libc).
 *
 *   svc [FIFO ID [MODE [ARG]]]
 *
 * First thing it does: open FIFO, write one 24-byte record
 *   { u64 CLOCK_MONOTONIC ns, i32 pid, i32 id, i32 ppid, i32 0 }
 * and keep the FIFO open (so the reader sees POLLHUP when the last one is gone).
 * Without arguments: FIFO from $BENCH_FIFO, ID from the last component of the
 * working directory (for supervisors which exec ./run in a service directory),
 * MODE from $BENCH_MODE.
 *
 * MODE: p pause (default) | x exit(1) at once | n newline to fd 3, pause
 *       s sd_notify READY=1 to $NOTIFY_SOCKET, pause | f create file ARG, pause
 *
 * cc -O2 -static -nostdlib -ffreestanding -fno-stack-protector -no-pie -o svc svc.c
 */
typedef unsigned long u64;
static inline long sc(long n, long a, long b, long c, long d, long e, long f)
{
	long r;
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(r)
		: "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return r;
}
enum { N_read = 0, N_write = 1, N_open = 2, N_close = 3, N_pause = 34, N_getpid = 39,
       N_socket = 41, N_sendto = 44, N_exit = 231, N_getcwd = 79, N_getppid = 110,
       N_clock_gettime = 228 };

static const char *envget(char **e, const char *k)
{
	for (; *e; e++) {
		const char *p = *e, *q = k;
		while (*q && *p == *q)
			p++, q++;
		if (!*q && *p == '=')
			return p + 1;
	}
	return 0;
}
static int num(const char *s)
{
	int n = 0;
	while (*s && (*s < '0' || *s > '9'))
		s++;
	while (*s >= '0' && *s <= '9')
		n = n * 10 + (*s++ - '0');
	return n;
}

__attribute__((used)) static void start_c(long *sp)
{
	int argc = (int)sp[0];
	char **argv = (char **)(sp + 1), **envp = argv + argc + 1;
	const char *fifo, *m;
	char mode = 'p', cwd[512];
	int id;
	long ts[2];
	struct { u64 t; int pid, id, ppid, z; } r;

	if (argc >= 3) {
		fifo = argv[1];
		id = num(argv[2]);
		if (argc >= 4)
			mode = argv[3][0];
	} else {
		long n = sc(N_getcwd, (long)cwd, sizeof cwd, 0, 0, 0, 0);
		fifo = envget(envp, "BENCH_FIFO");
		m = envget(envp, "BENCH_MODE");
		if (m)
			mode = *m;
		while (n > 0 && cwd[n - 1] != '/')
			n--;
		id = num(cwd + n);
	}
	long fd = fifo ? sc(N_open, (long)fifo, 1 /*O_WRONLY*/ | 02000000, 0, 0, 0, 0) : -1;
	sc(N_clock_gettime, 1, (long)ts, 0, 0, 0, 0);
	r.t = (u64)ts[0] * 1000000000ul + (u64)ts[1];
	r.pid = (int)sc(N_getpid, 0, 0, 0, 0, 0, 0);
	r.ppid = (int)sc(N_getppid, 0, 0, 0, 0, 0, 0);
	r.id = id;
	r.z = 0;
	sc(N_write, fd, (long)&r, sizeof r, 0, 0, 0);
	if (mode == 'x')
		sc(N_exit, 1, 0, 0, 0, 0, 0);
	if (mode == 'n') {
		sc(N_write, 3, (long)"\n", 1, 0, 0, 0);
		sc(N_close, 3, 0, 0, 0, 0, 0);
	}
	if (mode == 's') {
		const char *s = envget(envp, "NOTIFY_SOCKET");
		struct { unsigned short fam; char path[108]; } sa = { 1, { 0 } };
		int l = 0;
		while (s && s[l] && l < 107)
			sa.path[l] = s[l], l++;
		if (sa.path[0] == '@')
			sa.path[0] = 0;
		long k = sc(N_socket, 1, 2 | 02000000, 0, 0, 0, 0);
		sc(N_sendto, k, (long)"READY=1", 7, 0x4000, (long)&sa, 2 + l);
		sc(N_close, k, 0, 0, 0, 0, 0);
	}
	if (mode == 'f' && argc >= 5) {
		long k = sc(N_open, (long)argv[4], 1 | 0100 | 01000, 0644, 0, 0, 0);
		char b[16];
		int l = 0, p = r.pid, d[12], nd = 0;
		do d[nd++] = p % 10; while (p /= 10);
		while (nd)
			b[l++] = (char)('0' + d[--nd]);
		b[l++] = '\n';
		sc(N_write, k, (long)b, l, 0, 0, 0);
		sc(N_close, k, 0, 0, 0, 0, 0);
	}
	for (;;)
		sc(N_pause, 0, 0, 0, 0, 0, 0);
}
__asm__(".globl _start\n_start:\n\txor %ebp,%ebp\n\tmov %rsp,%rdi\n\tand $-16,%rsp\n\tcall start_c\n\thlt\n");
