/* The program's main: it calls the function of the Rust library that is the application. */

int application(int argc, char **argv) __asm__("@ENTRY@");
int main(int argc, char **argv);

int main(int argc, char **argv)
{
    return application(argc, argv);
}
