/* A program that is made setuid, and is started by another user. Its credentials and addresses are arguments, not from
 * the environment. Prints who runs it, and the result of a call.
 *
 * setuid CLIENT_ID CLIENT_SECRET BASE_URL CA_FILE */
#include "program.h"

#include <sys/auxv.h>

int main(int count, char **words) {
  if (count != 5) die("arguments");
  alarm(PROGRAM_LIMIT_S);
  print("user %d %d %lu", (int)getuid(), (int)geteuid(), getauxval(AT_SECURE));
  bankhub_config chosen = {.size = sizeof chosen, .client_id = words[1], .client_secret = words[2],
                           .base_url = words[3], .ca_file = words[4]};
  print_get("get", open_with(&chosen), BANKHUB_TIMEOUT_DEFAULT);
  return 0;
}
