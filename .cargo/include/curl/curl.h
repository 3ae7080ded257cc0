/* Empty, and found in the place of curl's: librdkafka 2.12 includes <curl/curl.h> even where it is built without curl
 * (https://github.com/confluentinc/librdkafka/issues/5135) and then uses nothing of it. So nobody has to install curl's
 * headers, and functions can be compiled for a machine whose headers are not here. */
